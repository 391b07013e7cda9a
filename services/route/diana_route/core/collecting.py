"""Collecting: what is asked for, what is known of each study of it, and what has to be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum, IntEnum
from typing import Protocol

from diana_common.attempts import Postponed
from diana_common.errors import DianaError, Reason
from diana_common.hours import Hours


class ItemState(Enum):
    """How far an item is, as people see it; the values are the contract's numbers, and kept."""

    WAITING = 1
    FOUND = 2
    RETRIEVED = 3
    DEIDENTIFIED = 4
    DELIVERED = 5
    FAILED = 6


class Step(IntEnum):
    """What is to be done next with an item, in order; kept."""

    FIND = 0
    RETRIEVE = 1
    DEIDENTIFY = 2
    DELIVER = 3
    CLEAR = 4
    """Delete from the staging store what was brought there."""
    END = 5


class PlaceKind(Enum):
    """What a place is."""

    STORE = "store"
    PEER = "peer"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True)
class Place:
    """Where studies come from or go to."""

    kind: PlaceKind
    name: str


@dataclass(frozen=True, slots=True)
class Tempo:
    """How fast the source may be used, and when."""

    studies_per_minute: float = 0.0
    """0: no limit."""

    instances_per_second: float = 0.0
    """On average; 0: no limit."""

    hours: Sequence[Hours] = ()
    """At all times when empty."""

    zone: tzinfo | None = None
    """Of the hours; that of the host when None."""

    def is_open(self, now: Callable[[tzinfo | None], datetime]) -> bool:
        """Whether the source may be used; `now` tells the time in a zone."""
        return not self.hours or any(one.has(now(self.zone)) for one in self.hours)

    def seconds_for(self, instances: int) -> float:
        """For how long, from its beginning, a study of so many instances takes up the source."""
        study = 60.0 / self.studies_per_minute if self.studies_per_minute else 0.0
        return max(study, instances / self.instances_per_second if self.instances_per_second else 0.0)


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for, apart from which studies."""

    source: Place
    destination: Place
    tempo: Tempo
    staging_store: str
    """Where studies are retrieved to that do not stay there."""

    profile: str | None = None
    """How to de-identify; None: not at all."""

    result_store: str = ""
    """Where what is de-identified is made."""

    @property
    def is_staged(self) -> bool:
        """Whether studies pass through the staging store."""
        return self.profile is not None or self.destination.kind is not PlaceKind.STORE

    @property
    def retrieve_store(self) -> str:
        """The store that studies are retrieved into."""
        return self.staging_store if self.is_staged else self.destination.name


@dataclass(frozen=True, slots=True)
class Before:
    """What the staging store had of a study before it was brought."""

    instances: Sequence[str]
    """SOP Instance UIDs."""

    position: str
    """The archive's feed when they were looked at: who stored what since then, it tells."""


class SourceRefused(Postponed):
    """The source refused a study by its answer's status: the study's fault, or, where it refuses all, its own."""


@dataclass(slots=True)
class Collected:
    """An item: a study, or what stands for it before it is found. Times are seconds since the epoch."""

    row: int
    """Its number among the items of all collections."""

    number: int
    """Its number in its collection, from 1."""

    accession_number: str
    study_uid: str
    state: ItemState
    step: Step
    due_time: float
    update_time: float
    attempt_count: int = 0
    """Of the step, in vain."""

    reason: str = ""
    """Why it was given up: the name of a Reason; empty unless it was."""

    message: str = ""
    """Why it was given up, or is waited for."""

    retrieved_count: int = 0
    delivered_count: int = 0
    confirmed: bool = False
    round: int = 0
    """How often it was retried after its end."""

    memo: str = ""
    """What the step remembers between attempts; JSON."""

    before: Before | None = None
    """None until it was looked at, and once what was staged is cleared."""

    @property
    def is_being_brought(self) -> bool:
        """Whether retrieving it was begun, and has not ended."""
        return self.step is Step.RETRIEVE and bool(self.memo or self.before)


@dataclass(frozen=True, slots=True)
class Collection:
    """A list of studies as it is kept."""

    key: str
    """Its mark on what is de-identified."""

    operation: str
    """The operation that is at it, or was last; empty before one is."""

    request: bytes
    """What was asked for, as the contract writes it."""

    create_time: float
    is_open: bool
    """Whether something may be left to do."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of delivering a study."""

    instance_count: int
    confirmed: bool
    """Whether the far end said so when it was asked anew; else it accepted them, and cannot be asked."""


class Collections(Protocol):
    """Where collections are kept, durably. Safe to share between threads. Raises DianaError."""

    def get(self, key: str) -> Collection:
        """Raises DianaError OPERATION_NOT_FOUND."""
        ...

    def next(self, key: str, now: float) -> Collected | None:
        """What is to be done first: of what is due, what is furthest; else what is due first. None: all is done."""
        ...

    def save(self, item: Collected) -> None:
        """Keep what became of an item; its memo goes when its step changes, and is not written otherwise."""
        ...

    def found(self, key: str, item: Collected, study_uids: Sequence[str]) -> None:
        """Keep an item whose step FIND is done, with the first study, and make an item of each further one."""
        ...

    def claim(self, store: str, item: Collected) -> bool:
        """Have a study of a store for this item alone, until `release`; False where another one has it."""
        ...

    def release(self, item: Collected) -> None:
        """Let go of it."""
        ...

    def finish(self, key: str) -> bool:
        """Close a collection in which nothing is left to do; False where something is."""
        ...

    def begun(self, key: str) -> Sequence[Collected]:
        """The items that have a claim, or whose step remembers something."""
        ...

    def failed(self, key: str) -> Iterator[Collected]:
        """The items that were given up."""
        ...

    def counts(self, key: str) -> Mapping[ItemState, int]:
        """How many items are in each state."""
        ...


class Checks(Protocol):
    """Looks up what an order names."""

    def check(self, order: Order) -> None:
        """Raises DianaError."""
        ...

    def cohort(self, name: str) -> Sequence[str]:
        """The studies of a cohort. Raises DianaError."""
        ...


class Steps(Protocol):
    """What is done with items of one order. Every method may be called again after a crash, and takes effect once.

    Raises diana_common.attempts.Failed; core.actions.UnderWay while it goes on elsewhere.
    """

    def find(self, item: Collected) -> Sequence[str]:
        """The Study Instance UIDs that the source has of an item."""
        ...

    def before(self, item: Collected) -> Before:
        """What the staging store has of an item's study now."""
        ...

    def retrieve(self, item: Collected) -> int:
        """Bring a study, whole as far as the source tells; how many instances it has then."""
        ...

    def deidentify(self, item: Collected) -> None:
        """De-identify what was brought."""
        ...

    def deliver(self, item: Collected) -> Delivery:
        """Send it where it is to go, and ask there whether it has it."""
        ...

    def clear(self, item: Collected) -> int:
        """Delete from the staging store what this collection brought; how many are left that others stored since."""
        ...

    def stop(self, item: Collected) -> None:
        """End what goes on elsewhere for the step that is next, and wait until it has ended."""
        ...


class Work(Protocol):
    """A running operation, as far as a run needs it (diana_server.operations.Work)."""

    @property
    def failed_items(self) -> frozenset[str]:
        """The items that were recorded as failed, in earlier attempts too."""
        ...

    def progress(self, done: int, total: int, unit: str) -> None:
        """Say how far it is."""
        ...

    def fail_item(self, item: str, error: DianaError) -> None:
        """Record an item that could not be done."""
        ...

    def raise_if_cancelled(self) -> None:
        """Leave here if the work should stop."""
        ...


_USUAL = {
    Step.FIND: Reason.STUDY_NOT_FOUND,
    Step.RETRIEVE: Reason.STUDY_INCOMPLETE,
    Step.DEIDENTIFY: Reason.NOT_DEIDENTIFIABLE,
    Step.DELIVER: Reason.PEER_REFUSED,
    Step.CLEAR: Reason.INTERNAL,
    Step.END: Reason.INTERNAL,
}


def reason_of(step: Step, cause: BaseException | None) -> str:
    """The Reason's name for what an attempt at a step failed of: its cause's, where that has one."""
    given = getattr(cause, "reason", None)
    name = given.name if isinstance(given, Reason) else str(given or "")
    return name if name in Reason.__members__ else _USUAL[step].name
