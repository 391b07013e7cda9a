"""Helpers of the index's tests: an index over any store, fed from a fake archive without threads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError
from diana_index.core.attributes import Level
from diana_index.core.feeding import Feeder
from diana_index.core.index import Index, Page, Wait
from diana_index.core.paging import PageTokens
from diana_index.core.progress import Progress
from diana_index.core.question import Asked, Key, OrderKey
from diana_index.core.store import Generation, Generations
from diana_index.stores.generations import SqliteGenerations
from diana_index.stores.postgres_generations import PostgresGenerations
from tests.support.shared_postgres import database
from tests.unit.index.fake_archive import FakeArchive

NO_WAIT = Wait("", 0.0, lambda: True)


class _Borrowed(PostgresGenerations):
    """In a database that it has for itself until it is closed."""

    def __init__(self) -> None:
        self._database = ExitStack()
        super().__init__(self._database.enter_context(database()))

    def close(self) -> None:
        super().close()
        self._database.close()


STORES: dict[str, Callable[[Path], SqliteGenerations | PostgresGenerations]] = {
    "sqlite": SqliteGenerations,
    "postgres": lambda folder: _Borrowed(),
}
"""What opens a new store by its kind, in a folder if it needs one. Close it."""


class Listener:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.entries = 0
        self.skips: list[str] = []
        self.losses: list[str] = []

    def applied(self, entries: int) -> None:
        self.entries += entries

    def skipped(self, store: str, sop_uid: str, why: str) -> None:
        self.skips.append(sop_uid)

    def lost(self, error: DianaError) -> None:
        self.losses.append(error.reason.name)


class IndexBench:
    """An index whose archive is fed to it when told."""

    def __init__(self, generations: Generations, archive: FakeArchive | None = None) -> None:
        self.generations = generations
        self.archive = archive or FakeArchive()
        self.listener = Listener()
        self.index = Index(generations, Progress(), PageTokens(bytes(32)))

    def catch_up(self) -> None:
        """Apply all that has happened."""
        with self.generations.active() as generation:
            feed_to_head(self.archive, generation, self.listener)

    def find(
        self,
        level: Level,
        keys: Mapping[str, str | Sequence[str]] | None = None,
        order: Sequence[str] = (),
        returned: Sequence[str] = (),
        size: int = 0,
        token: str = "",
        store: str = "default",
        request: bytes = b"",
        **more: Any,
    ) -> Page:
        """A page; "-" before an order key is descending."""
        orders = [OrderKey(one.removeprefix("-"), one.startswith("-")) for one in order]
        asked = Asked(store, level, as_keys(keys), **more)
        return self.index.find(asked, orders, returned, size, token, request, NO_WAIT)

    def uids(self, level: Level, keys: Mapping[str, str | Sequence[str]] | None = None, **more: Any) -> list[str]:
        """What names the records found: patient ID or UID."""
        return [unique(level, record) for record in self.find(level, keys, **more).records]

    def count(
        self, level: Level, keys: Mapping[str, str | Sequence[str]] | None = None, store: str = "default", **more: Any
    ) -> int:
        """How many match."""
        return self.index.count(Asked(store, level, as_keys(keys), **more), NO_WAIT)[0]

    def one(self, level: Level, returned: Sequence[str] = ()) -> dict[str, Any]:
        """The only record's elements."""
        (record,) = self.find(level, returned=returned).records
        elements: dict[str, Any] = json.loads(record.dicom_json)
        return elements


def unique(level: Level, record: Any) -> str:
    """The record's unique key."""
    return str((record.patient_id, record.study_uid, record.series_uid, record.sop_uid)[level - 1])


def as_keys(keys: Mapping[str, str | Sequence[str]] | None) -> list[Key]:
    """Matching keys from a mapping."""
    return [Key(name, (one,) if isinstance(one, str) else tuple(one)) for name, one in (keys or {}).items()]


def feed_to_head(archive: FakeArchive, generation: Generation, listener: Listener) -> None:
    """Apply all entries that a generation lacks."""
    feeder = Feeder(archive, generation, listener)
    for batch in archive.watch(feeder.mark.position, stop_at_head=True):
        feeder.feed(batch)
