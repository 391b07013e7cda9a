"""The index as its callers see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from diana_index.core.answers import Record, make_record, wanted_of
from diana_index.core.attributes import Level
from diana_index.core.paging import PageTokens
from diana_index.core.progress import Progress
from diana_index.core.question import Key, OrderKey, make_question, wanted_tags
from diana_index.core.store import Alive, Generations, Mark, Row, SortKey, Totals

_DEFAULT_PAGE = 100
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
        self.progress = progress

    def find(
        self,
        store: str,
        level: Level,
        keys: Sequence[Key],
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
        question = make_question(store, level, keys, orders)
        tags = wanted_tags(level, return_keys)
        after = self._tokens.open(page_token, request)
        limit = page_size or _DEFAULT_PAGE
        self.progress.wait(wait.position, wait.seconds, wait.alive)
        with self._generations.active() as generation, generation.reading(wait.alive) as reader:
            rows = reader.find(question, wanted_of(level, tags), after, limit + 1)
            records, last = _fill_page(rows, level, tags, limit)
            position = reader.mark().position
        return Page(records, self._tokens.seal(last, request) if last else "", position)

    def count(self, store: str, level: Level, keys: Sequence[Key], wait: Wait) -> tuple[int, str]:
        """How many records match, and the position that this reflects. Raises DianaError as `find`."""
        question = make_question(store, level, keys)
        self.progress.wait(wait.position, wait.seconds, wait.alive)
        with self._generations.active() as generation, generation.reading(wait.alive) as reader:
            return reader.count(question), reader.mark().position

    def totals(self, store: str | None, alive: Alive) -> tuple[Totals, Mark]:
        """How many records a store has, or all stores together, and how far the feed is applied."""
        with self._generations.active() as generation, generation.reading(alive) as reader:
            return reader.totals(store), reader.mark()

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
