"""The index as its callers see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diana_index.core.answers import Record, make_record, wanted_of
from diana_index.core.attributes import Level
from diana_index.core.paging import PageTokens
from diana_index.core.progress import Progress
from diana_index.core.question import Key, OrderKey, make_question, wanted_tags
from diana_index.core.store import Alive, Generations, Mark, Totals

_DEFAULT_PAGE = 100
_PAGE_BYTES = 2 * 1024 * 1024
"""A page ends early rather than grow past this; a single record may be larger."""


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
        records: list[Record] = []
        last, more, size = None, False, 0
        with self._generations.active() as generation, generation.reading(wait.alive) as reader:
            for row in reader.find(question, wanted_of(level, tags), after, limit + 1):
                if len(records) == limit or size > _PAGE_BYTES:
                    more = True
                    break
                records.append(make_record(row, level, tags))
                last, size = row.sort_key, size + len(records[-1].dicom_json)
            position = reader.mark().position
        return Page(records, self._tokens.seal(last, request) if more and last else "", position)

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
