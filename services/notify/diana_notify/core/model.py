"""Recipients, messages, and deliveries as the ledger has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Transport(Enum):
    """A way to reach a recipient; the values are the contract's numbers, and kept in the ledger."""

    EMAIL = 1
    WEBHOOK = 2
    FILE = 3
    SCREEN = 4
    SMS = 5
    TWILIO = 6
    SLACK = 7
    TEAMS = 8
    APPRISE = 9


class State(Enum):
    """How far a delivery is; the values are the contract's numbers, and kept in the ledger."""

    QUEUED = 1
    SENT = 2
    DEAD = 3
    CANCELLED = 4


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where one message goes: an address as the transport has it."""

    transport: Transport
    address: str


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Somebody to be told. `email` is what templates may name; the ways to reach them are `recipients`.

    `wrap` is the name of the template that their messages are put into; empty for none. With `digest_seconds` above
    zero, what comes for one of their addresses within so many seconds goes as one message.
    """

    name: str
    email: str
    affiliation: str
    recipients: Sequence[Recipient]
    wrap: str = ""
    digest_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Channel:
    """Something people subscribe to."""

    tag: str
    name: str
    subscribers: Sequence[Subscriber]


@dataclass(frozen=True, slots=True)
class StudyRef:
    """A study of the archive."""

    store: str
    study_uid: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a message is to say: a template's name, or subject and body; and what either may name.

    `item` are the facts of what happened, for messages of rules only: ours, or those of whoever sends.
    """

    template: str = ""
    subject: str = ""
    body: str = ""
    values: Mapping[str, str] | None = None
    study: StudyRef | None = None
    item: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered message for one recipient, to be queued.

    `target` is what fails together with others: the mail server, a webhook's host. The channel and the rule
    it is due to are empty if there was none. With `digest_seconds` above zero it waits so long for others to the same
    recipient, and `envelope` is what their texts are put into: see core.digests.
    """

    recipient: Recipient
    target: str
    subject: str
    body: str
    channel: str = ""
    rule: str = ""
    digest_seconds: float = 0.0
    envelope: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message on its way, without its text. Times are seconds since the epoch, UTC."""

    number: int
    """Its place in the ledger; later ones have larger numbers."""

    name: str
    state: State
    recipient: Recipient
    channel: str
    rule: str
    attempt_count: int
    last_error: str
    create_time: float
    next_attempt_time: float | None
    end_time: float | None
    digest: str = ""
    """The name of the delivery that it goes with, for a member of a digest, the first one too; else empty."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery with its text, for whoever carries it; a digest's is its first one, with the text of all."""

    delivery: Delivery
    target: str
    subject: str
    body: str
    members: tuple[int, ...] = ()
    """The numbers of a digest's deliveries, the first one's too; empty for one that goes alone."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """See diana_common.attempts.Piece."""
        return self.members or (self.delivery.number,)

    @property
    def attempt_count(self) -> int:
        """See diana_common.attempts.Piece."""
        return self.delivery.attempt_count

    @property
    def create_time(self) -> float:
        """See diana_common.attempts.Piece."""
        return self.delivery.create_time
