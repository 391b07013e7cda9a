"""What the index asks of the place where its records live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from diana_index.core.aggregating import Aggregation, Groups
from diana_index.core.attributes import Attribute
from diana_index.core.forms import Form
from diana_index.core.members import Member
from diana_index.core.question import Question
from diana_index.core.records import Elements, LevelRecord, Names
from diana_index.core.reports import Report
from diana_index.core.vocabulary import SearchKey, Vocabulary

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
    record: LevelRecord
    """The instance's own record."""
    keyed: Sequence[Attribute] = ()
    """The attributes without a column that the record was made with; those of the generation may be others by now."""
    report: Report | None = None
    """What it says, if it is a structured report."""


@dataclass(frozen=True, slots=True)
class Remove:
    """An instance is gone, if this version of it is there; whichever is there, if `version` is empty."""

    store: str
    sop_uid: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class PutReport:
    """A plain report is there, in place of one of the same id."""

    number: int
    """The change's, among all changes of what people wrote."""
    store: str
    report: Report


@dataclass(frozen=True, slots=True)
class RemoveReport:
    """A plain report is gone."""

    number: int
    """As of PutReport."""
    store: str
    report_id: str


Change = Put | Remove
ReportChange = PutReport | RemoveReport


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
    forms: Sequence[list[Form]] = ()
    """All forms of each attribute without a column that was asked for."""


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
    keyed: tuple[Attribute, ...] = ()
    """Attributes without a column, of its level or above, whose forms are wanted."""


@dataclass(frozen=True, slots=True)
class Filled:
    """How far the filling of a search key is."""

    records: int
    """How many were looked at since it began."""
    values: int
    """How many of them have a value."""
    ready: bool
    """Whether there is nothing left to fill."""


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

    def names(self, question: Question, after: SortKey | None, limit: int | None) -> Iterator[tuple[SortKey, Member]]:
        """What names the records that meet a question, each with its place: by unique key from behind `after`, or,
        without a limit, all in no order."""
        ...

    def count(self, question: Question) -> int:
        """How many there are."""
        ...

    def aggregate(self, question: Question, aggregation: Aggregation) -> Groups:
        """The groups of the records that meet a question, in order, up to the aggregation's limit."""
        ...

    def totals(self, store: str | None = None) -> Totals:
        """How many records a store has, at all levels; all stores together for None."""
        ...

    def report(self, store: str, report_id: str) -> Report | None:
        """A report with its text; a plain one before a structured one."""
        ...

    def study_reports(self, store: str, study_uid: str, limit: int) -> list[Report]:
        """A study's reports, by its UID or its accession number, the newest first, without their texts."""
        ...


class Generation(Protocol):
    """All records of all stores, derived from one reading of the feed. Readers never wait for the writer."""

    def mark(self) -> Mark:
        """How far the feed is applied. Raises Damaged."""
        ...

    def apply(self, changes: Sequence[Change], mark: Mark) -> None:
        """Make the changes, in order, and set the mark: all of it or nothing. Raises Unstorable, Damaged."""
        ...

    def written(self) -> int:
        """Up to which number the changes of what people wrote are applied."""
        ...

    def write(self, changes: Sequence[ReportChange], written: int) -> None:
        """Make changes of reports, in order, and set that number: all of it or nothing. Raises Damaged, Unstorable.

        Those up to the number that is set already are there, whoever made them.
        """
        ...

    def vocabulary(self) -> Vocabulary:
        """What questions to this generation may speak of."""
        ...

    def set_search_keys(self, keys: Sequence[SearchKey]) -> None:
        """Have just these search keys: forget what others kept; new ones are to be filled, unless it is empty."""
        ...

    def fill(self, key_id: str, limit: int) -> Filled | None:
        """Fill a search key for the next records; None if there is none of this id."""
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

        Raises OSError, and nothing has changed, if that cannot be made durable; DianaError PEER_UNAVAILABLE if it
        is not known whether it was: adopt it again then.
        """
        ...

    def standing_still(self) -> AbstractContextManager[None]:
        """No process writes into the generation that answers, inside; what this one writes its caller keeps away."""
        ...

    def discard(self, generation: Generation) -> None:
        """Throw a created one away."""
        ...
