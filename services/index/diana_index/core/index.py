"""The index as its callers see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from diana_index.core.aggregating import AggregationKeys, Groups, check_size, make_aggregation
from diana_index.core.answers import Record, make_record, wanted_of
from diana_index.core.attributes import Level
from diana_index.core.exporting import Table, Turns, make_columns, table_rows
from diana_index.core.members import Member
from diana_index.core.paging import PageTokens
from diana_index.core.progress import Progress
from diana_index.core.question import Asked, OrderKey, Question, make_question, wanted_tags
from diana_index.core.reports import Report
from diana_index.core.store import Alive, Generations, Mark, Reader, Row, SortKey, Totals
from diana_index.core.vocabulary import Vocabulary

_DEFAULT_PAGE = 100
_EXPORTS = 4
"""Tables written at a time: a caller may be slow to take one, and questions need their turn meanwhile."""
_PAGE_BYTES = 2 * 1024 * 1024
"""A page ends early rather than grow past this; a single record may be larger."""
_READ_BYTES = 16 * 1024 * 1024
"""A page ends early once so much of headers has been read for it, however little of them it answers with."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a question waits for before it is answered."""

    position: str
    """A feed position; empty: nothing."""
    seconds: float
    """How long at most."""
    alive: Alive
    """Whether somebody still waits for the answer."""


@dataclass(frozen=True, slots=True)
class Page:
    """Records found, and where the next page begins."""

    records: list[Record]
    next_token: str
    position: str


class Index:
    """Answers questions from whichever generation is active."""

    def __init__(self, generations: Generations, progress: Progress, tokens: PageTokens) -> None:
        self._generations = generations
        self._tokens = tokens
        self._exports = Turns(_EXPORTS)
        self.progress = progress

    def find(
        self,
        asked: Asked,
        orders: Sequence[OrderKey],
        return_keys: Sequence[str],
        page_size: int,
        page_token: str,
        request: bytes,
        wait: Wait,
    ) -> Page:
        """A page of the records that match; `request` is what the page token is bound to.

        Raises DianaError as IndexService.Find documents.
        """
        tags = wanted_tags(asked.level, return_keys)
        after = self._tokens.open(page_token, request)
        limit = page_size or _DEFAULT_PAGE
        with self._asking(asked, orders, wait) as (question, reader):
            rows = reader.find(question, wanted_of(asked.level, tags), after, limit + 1)
            records, last = _fill_page(rows, asked.level, tags, limit)
            position = reader.mark().position
        return Page(records, self._tokens.seal(last, request) if last else "", position)

    def count(self, asked: Asked, wait: Wait) -> tuple[int, str]:
        """How many records match, and the position that this reflects. Raises DianaError as `find`."""
        with self._asking(asked, (), wait) as (question, reader):
            return reader.count(question), reader.mark().position

    def check(self, asked: Asked) -> None:
        """Raises DianaError for a question that cannot be answered."""
        make_question(asked, self.vocabulary())

    @contextmanager
    def naming(self, asked: Asked, wait: Wait) -> Iterator[tuple[Iterator[Member], str]]:
        """The names of all records that match, in no order, and the position that they reflect: one state of them.

        Raises DianaError as `find`.
        """
        with self._asking(asked, (), wait) as (question, reader):
            position = reader.mark().position
            yield (member for _, member in reader.names(question, None, None)), position

    def name_page(self, asked: Asked, after: SortKey | None, limit: int, wait: Wait) -> list[tuple[SortKey, Member]]:
        """The names of records from behind a place, each with its own. Raises DianaError as `find`."""
        with self._asking(asked, (), wait) as (question, reader):
            return list(reader.names(question, after, limit))

    def aggregate(self, asked: Asked, keys: AggregationKeys, wait: Wait) -> tuple[Groups, str]:
        """The groups of the records that match, and the position that this reflects.

        Raises DianaError as `find`, and RESULT_TOO_LARGE.
        """
        make_question(asked, self.vocabulary())
        make_aggregation(asked.level, keys, self.vocabulary())
        with self._reading(wait) as (vocabulary, reader):
            question = make_question(asked, vocabulary)
            groups = reader.aggregate(question, make_aggregation(asked.level, keys, vocabulary))
            return check_size(groups), reader.mark().position

    @contextmanager
    def exporting(
        self, asked: Asked, names: Sequence[str], orders: Sequence[OrderKey], wait: Wait
    ) -> Iterator[tuple[Table, str]]:
        """A table of all records that match, in order, and the position that it reflects: one state of them.

        Raises DianaError as `find`; OVERLOADED from the table's rows once nobody waits any more.
        """
        make_question(asked, self.vocabulary(), orders)
        make_columns(asked.level, names, self.vocabulary())
        with self._exports.taken(wait.alive), self._reading(wait) as (vocabulary, reader):
            question = make_question(asked, vocabulary, orders)
            columns = make_columns(asked.level, names, vocabulary)
            with closing(table_rows(reader, question, columns, wait.alive)) as rows:
                yield Table(columns, rows), reader.mark().position

    def vocabulary(self) -> Vocabulary:
        """What questions may speak of now."""
        with self._generations.active() as generation:
            return generation.vocabulary()

    @contextmanager
    def _asking(self, asked: Asked, orders: Sequence[OrderKey], wait: Wait) -> Iterator[tuple[Question, Reader]]:
        """The question, and a view of the records to answer it from, once what it waits for is there.

        Raises DianaError: what is wrong with the question is said before anything is waited for.
        """
        make_question(asked, self.vocabulary(), orders)
        with self._reading(wait) as (vocabulary, reader):
            yield make_question(asked, vocabulary, orders), reader

    @contextmanager
    def _reading(self, wait: Wait) -> Iterator[tuple[Vocabulary, Reader]]:
        """A view of the records once what is waited for is there, and what questions to it may speak of."""
        self.progress.wait(wait.position, wait.seconds, wait.alive)
        with self._generations.active() as generation, generation.reading(wait.alive) as reader:
            yield generation.vocabulary(), reader

    def totals(self, store: str | None, alive: Alive) -> tuple[Totals, Mark]:
        """How many records a store has, or all stores together, and how far the feed is applied."""
        with self._generations.active() as generation, generation.reading(alive) as reader:
            return reader.totals(store), reader.mark()

    def record_count(self, level: Level) -> int:
        """How many records all stores together have at a level."""
        totals, _ = self.totals(None, lambda: True)
        return (totals.patients, totals.studies, totals.series, totals.instances)[level - Level.PATIENT]

    def report(self, store: str, report_id: str, alive: Alive) -> Report | None:
        """A report with its text; a plain one before a structured one."""
        with self._generations.active() as generation, generation.reading(alive) as reader:
            return reader.report(store, report_id)

    def study_reports(self, store: str, study_uid: str, limit: int, alive: Alive) -> list[Report]:
        """A study's reports, the newest first, without their texts."""
        with self._generations.active() as generation, generation.reading(alive) as reader:
            return reader.study_reports(store, study_uid, limit)

    def check_ready(self) -> None:
        """Raises if the records cannot be read."""
        with self._generations.active() as generation, generation.reading(lambda: True) as reader:
            reader.mark()


def _fill_page(
    rows: Iterable[Row], level: Level, tags: frozenset[str], limit: int
) -> tuple[list[Record], SortKey | None]:
    """The records of a page, one at least if there are rows; and its last place, if more come behind it."""
    records: list[Record] = []
    last: SortKey | None = None
    size = read = 0
    for row in rows:
        if len(records) == limit or read >= _READ_BYTES:
            return records, last
        record = make_record(row, level, tags)
        size += record.size_bytes
        if records and size > _PAGE_BYTES:
            return records, last
        records.append(record)
        last = row.sort_key
        read += len(row.dicom_json or b"")
    return records, None
