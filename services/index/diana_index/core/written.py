"""What people wrote, search keys and plain reports: kept apart from the records, and brought to each generation.

It is derived from nothing, so that it outlives every rebuild. Each change of a report has a number, and a generation
knows up to which one it has them: what a crash keeps from it is brought to it when it is followed again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from diana_common.errors import DianaError, Reason, invalid_field
from diana_index.core.feeding import Listener
from diana_index.core.reports import Report
from diana_index.core.store import Filled, Generation, Generations, PutReport, RemoveReport, ReportChange, Unstorable
from diana_index.core.vocabulary import MOST_SEARCH_KEYS, SearchKey


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A search key, and since when there is one."""

    key: SearchKey
    create_time: float
    """Seconds since the epoch, UTC."""


class WrittenStore(Protocol):
    """Where it is kept, durably. Safe to use from several threads and processes."""

    def search_keys(self) -> list[KeptKey]:
        """The search keys, by id."""
        ...

    def add_key(self, key: KeptKey, most: int) -> KeptKey | None:
        """Keep a search key; the one of its id that there is then. None where there are `most` others."""
        ...

    def delete_key(self, key_id: str) -> bool:
        """Forget a search key; whether there was one."""
        ...

    def put_reports(self, store: str, reports: Sequence[Report]) -> None:
        """Keep reports, each in place of one of the same id, as changes of their own."""
        ...

    def delete_report(self, store: str, report_id: str) -> None:
        """Forget a report, as a change, if there is one."""
        ...

    def changes(self, after: int) -> list[ReportChange]:
        """The next changes of reports behind a number, in order; none at the end.

        A later change of the same report takes the place of an earlier one. Raises Damaged if there never was one of
        that number: whoever knows of it knows another database.
        """
        ...

    def holding(self) -> AbstractContextManager[object]:
        """Nobody changes anything inside, in any process."""
        ...


class Written:
    """Changes what people wrote, and brings it to generations."""

    def __init__(
        self,
        store: WrittenStore,
        generations: Generations,
        listener: Listener,
        ask_fill: Callable[[SearchKey], object],
    ) -> None:
        """`ask_fill` sees to it that `fill` is called for a key until it is ready; it may be called repeatedly."""
        self._store = store
        self._generations = generations
        self._listener = listener
        self._ask_fill = ask_fill

    def create_key(self, key: SearchKey) -> KeptKey:
        """Keep a search key, of which arrivals have values from now on. Raises DianaError SEARCH_KEY_EXISTS."""
        kept = self._store.add_key(KeptKey(key, time.time()), MOST_SEARCH_KEYS)
        if kept is None:
            raise invalid_field("search_key", f"is one too many: there are {MOST_SEARCH_KEYS}; delete another first")
        if kept.key != key:
            raise DianaError(Reason.SEARCH_KEY_EXISTS, "The id stands for another search key.")
        self._bring_keys()
        return kept

    def search_keys(self) -> list[KeptKey]:
        """The search keys, by id."""
        return self._store.search_keys()

    def is_ready(self, key: SearchKey) -> bool:
        """Whether questions may use a search key now."""
        with self._generations.active() as generation:
            vocabulary = generation.vocabulary()
        return key in vocabulary.search_keys and vocabulary.is_ready(key.key_id)

    def delete_key(self, key_id: str) -> None:
        """Forget a search key. Raises DianaError SEARCH_KEY_NOT_FOUND."""
        if not self._store.delete_key(key_id):
            raise _no_key()
        self._bring_keys()

    def fill(self, key: SearchKey, limit: int) -> Filled:
        """Fill a search key for the next records of what answers now.

        Raises DianaError SEARCH_KEY_NOT_FOUND if it is deleted meanwhile, PEER_UNAVAILABLE.
        """
        while any(one.key == key for one in self._store.search_keys()):
            with self._generations.active() as generation:
                if filled := generation.fill(key.key_id, limit):
                    return filled
            self._bring_keys()
        raise _no_key()

    def put_reports(self, store: str, reports: Sequence[Report]) -> None:
        """Keep reports, each in place of one of the same id; they are searchable when this returns."""
        self._store.put_reports(store, reports)
        self._bring_reports_to_active()

    def delete_report(self, store: str, report_id: str) -> None:
        """Forget a report."""
        self._store.delete_report(store, report_id)
        self._bring_reports_to_active()

    def prepare(self, generation: Generation) -> None:
        """Bring all there is to a generation. Raises Damaged."""
        with self._store.holding():
            generation.set_search_keys([one.key for one in self._store.search_keys()])
        self._bring_reports(generation)

    def keep(self, generation: Generation) -> None:
        """As `prepare`, and have done what it takes for questions to use every search key."""
        self.prepare(generation)
        vocabulary = generation.vocabulary()
        for key in vocabulary.search_keys:
            if not vocabulary.is_ready(key.key_id):
                self._ask_fill(key)

    @contextmanager
    def settled(self, generation: Generation) -> Iterator[None]:
        """Inside, a generation has all there is, and nothing is added. Raises Damaged."""
        self._bring_reports(generation)
        with self._store.holding():
            generation.set_search_keys([one.key for one in self._store.search_keys()])
            self._bring_reports(generation)
            yield

    def _bring_keys(self) -> None:
        # Held, or else of two that bring keys the later one might have read them earlier.
        with self._store.holding(), self._generations.active() as generation:
            generation.set_search_keys([one.key for one in self._store.search_keys()])

    def _bring_reports_to_active(self) -> None:
        with self._generations.active() as generation:
            self._bring_reports(generation)

    def _bring_reports(self, generation: Generation) -> None:
        while changes := self._store.changes(generation.written()):
            try:
                generation.write(changes, changes[-1].number)
            except Unstorable:
                for change in changes:
                    self._bring_report(generation, change)

    def _bring_report(self, generation: Generation, change: ReportChange) -> None:
        """One that cannot be searched must not keep the others."""
        try:
            generation.write([change], change.number)
        except Unstorable as error:
            if not isinstance(change, PutReport):
                raise
            self._listener.skipped(change.store, "", f"report: {type(error.__cause__).__name__}")
            generation.write([RemoveReport(change.number, change.store, change.report.report_id)], change.number)


def _no_key() -> DianaError:
    return DianaError(Reason.SEARCH_KEY_NOT_FOUND, "There is no such search key.")
