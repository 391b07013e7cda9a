"""What the index asks of the place where its records live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from diana_index.core.forms import Form
from diana_index.core.question import Question
from diana_index.core.records import Elements, LevelRecord, Names

Alive = Callable[[], bool]
"""Whether somebody still waits for the answer."""

SortKey = tuple[Form | None, ...]
"""A record's place in a question's order: its forms of the orders' attributes, then its unique key."""


@dataclass(frozen=True, slots=True)
class Put:
    """An instance is there and current; another of its SOP Instance UID gives way to it.

    Putting the version that is there changes nothing. Otherwise it is the newest instance of all its records.
    """

    store: str
    names: Names
    version: str
    dicom_json: bytes
    header: Elements
    """`dicom_json`, parsed."""
    record: LevelRecord
    """The instance's own record."""


@dataclass(frozen=True, slots=True)
class Remove:
    """An instance is gone, if this version of it is there; whichever is there, if `version` is empty."""

    store: str
    sop_uid: str
    version: str = ""


Change = Put | Remove


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the feed is applied."""

    position: str = ""
    """Empty before the beginning."""
    commit_time: float | None = None
    """Of the newest entry applied: seconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class Row:
    """A record found."""

    sort_key: SortKey
    instance_count: int
    elements: Sequence[Elements]
    """The record's kept elements, then those of the records above that were asked for."""
    dicom_json: bytes | None
    """The whole header, if it was asked for."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How many records a store has."""

    patients: int = 0
    studies: int = 0
    series: int = 0
    instances: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of each record found beside its kept elements."""

    above: bool = False
    """The kept elements of the records above it."""
    header: bool = False
    """The whole header; at instance level only."""


class Unstorable(Exception):
    """A change that cannot be kept, whatever is tried. A full disk or the like is something else."""


class Damaged(Exception):
    """The records themselves are damaged: there is no going on with this generation."""


class Reader(Protocol):
    """One consistent view of the records."""

    def mark(self) -> Mark:
        """How far the view reaches."""
        ...

    def find(self, question: Question, wanted: Wanted, after: SortKey | None, limit: int) -> Iterator[Row]:
        """The records that meet a question, in its order, from behind `after`."""
        ...

    def count(self, question: Question) -> int:
        """How many there are."""
        ...

    def totals(self, store: str | None = None) -> Totals:
        """How many records a store has, at all levels; all stores together for None."""
        ...


class Generation(Protocol):
    """All records of all stores, derived from one reading of the feed. Readers never wait for the writer."""

    def mark(self) -> Mark:
        """How far the feed is applied. Raises Damaged."""
        ...

    def apply(self, changes: Sequence[Change], mark: Mark) -> None:
        """Make the changes, in order, and set the mark: all of it or nothing. Raises Unstorable, Damaged."""
        ...

    def reading(self, alive: Alive) -> AbstractContextManager[Reader]:
        """A view for one question.

        Raises DianaError OVERLOADED from it when the question is given up because nobody waits any more.
        """
        ...


class Generations(Protocol):
    """The generation that answers, and the one that may be in the making."""

    def active(self) -> AbstractContextManager[Generation]:
        """The generation that answers now; it stays usable inside the context, even if another takes over."""
        ...

    def create(self) -> Generation:
        """A new, empty one that answers nothing yet."""
        ...

    def adopt(self, generation: Generation) -> None:
        """Have a created one answer from now on, durably, and throw the one before away.

        Raises OSError, and nothing has changed, if that cannot be made durable.
        """
        ...

    def discard(self, generation: Generation) -> None:
        """Throw a created one away."""
        ...
