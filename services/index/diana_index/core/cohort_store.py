"""What a cohort is, and what is asked of the place where cohorts live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from diana_index.core.question import Asked


@dataclass(frozen=True, slots=True)
class Frozen:
    """An answer that is written down."""

    operation: str
    """The operation that wrote it."""
    record_count: int
    digest: bytes
    position: str
    """The feed position that it reflects."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """A set of records of one level with a name."""

    cohort_id: str
    description: str
    asked: Asked
    create_time: float
    """Seconds since the epoch, UTC."""
    frozen: Frozen | None = None


class Freezing(Protocol):
    """An answer that is being written down. Nobody sees it before it is finished."""

    def add(self, number: int, names: Sequence[bytes]) -> None:
        """Write the piece of this number, from 0; pieces are in order, and so are the names in each."""
        ...

    def finish(self, cohort: Cohort) -> None:
        """Have it be this cohort's, durably. Raises DianaError COHORT_EXISTS."""
        ...


class CohortStore(Protocol):
    """Where cohorts are kept, durably. Safe to use from several threads."""

    def add(self, cohort: Cohort) -> Cohort:
        """Keep one that is not frozen; the one that there is then, which may have been there before."""
        ...

    def get(self, cohort_id: str) -> Cohort | None:
        """The one of this id."""
        ...

    def page(self, after: str, limit: int) -> list[Cohort]:
        """Those behind an id, by id."""
        ...

    def delete(self, cohort_id: str) -> bool:
        """Forget one with its answer; whether there was one."""
        ...

    def begin(self, operation: str) -> Freezing:
        """What an operation writes an answer down with; what it wrote before it was cut short is forgotten."""
        ...

    def unfinished(self) -> list[str]:
        """The operations that have written something which is no cohort's."""
        ...

    def discard(self, operation: str) -> None:
        """Forget what an operation has written, unless it is a cohort's."""
        ...

    def piece(self, operation: str, number: int) -> list[bytes] | None:
        """The piece of this number of an answer; None where there is none."""
        ...
