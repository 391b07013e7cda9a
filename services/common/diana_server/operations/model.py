"""What an operation is, apart from how it is kept or sent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Where an operation stands; the values are those of diana.operation.v1.Operation.State."""

    QUEUED = 1
    RUNNING = 2
    SUCCEEDED = 3
    FAILED = 4
    CANCELLED = 5

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Progress:
    """Items done (failed ones included), items known to be there, and what an item is."""

    done: int = 0
    total: int = 0
    failed: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be done; `status` is a serialised google.rpc.Status."""

    item: str
    status: bytes


@dataclass(frozen=True, slots=True)
class Operation:
    """A piece of long work as its queue keeps it. Times are seconds since the epoch, UTC."""

    number: int
    name: str
    kind: str
    store: str
    state: State
    progress: Progress
    payload: bytes
    """What it is asked; empty once it has ended, as is its checkpoint."""
    checkpoint: bytes
    error: bytes
    """A serialised google.rpc.Status; empty unless FAILED."""
    result: bytes
    """A serialised google.protobuf.Any; empty unless SUCCEEDED with a result."""
    create_time: float
    start_time: float | None
    end_time: float | None
    attempts: int
    cancel_asked: bool
