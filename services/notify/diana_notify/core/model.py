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


class State(Enum):
    """How far a delivery is; the values are the contract's numbers, and kept in the ledger."""

    QUEUED = 1
    SENT = 2
    DEAD = 3


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where one message goes: an address as the transport has it."""

    transport: Transport
    address: str


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Somebody to be told. `email` is what templates may name; the ways to reach them are `recipients`."""

    name: str
    email: str
    affiliation: str
    recipients: Sequence[Recipient]


@dataclass(frozen=True, slots=True)
class Channel:
    """Something people subscribe to."""

    tag: str
    name: str
    subscribers: Sequence[Subscriber]


@dataclass(frozen=True, slots=True)
class Content:
    """What a message is to say: a template's name, or subject and body; and what either may name."""

    template: str = ""
    subject: str = ""
    body: str = ""
    values: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered message for one recipient, to be queued.

    `target` is what fails together with others: the mail server, a webhook's host. The channel and the rule
    it is due to are empty if there was none.
    """

    recipient: Recipient
    target: str
    subject: str
    body: str
    channel: str = ""
    rule: str = ""


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


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery with its text, for whoever carries it."""

    delivery: Delivery
    target: str
    subject: str
    body: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """See diana_common.attempts.Piece."""
        return (self.delivery.number,)

    @property
    def attempt_count(self) -> int:
        """See diana_common.attempts.Piece."""
        return self.delivery.attempt_count

    @property
    def create_time(self) -> float:
        """See diana_common.attempts.Piece."""
        return self.delivery.create_time
