"""Helpers of the tests of what people wrote: search keys and reports over any store of records."""

from __future__ import annotations

from pathlib import Path

from diana_index.core.attributes import Level
from diana_index.core.reports import Report, make_report
from diana_index.core.store import Generation, Generations
from diana_index.core.vocabulary import SearchKey, make_search_key
from diana_index.core.written import Written
from diana_index.stores.databases import Database, open_database
from diana_index.stores.written import WRITTEN, SqlWritten
from tests.unit.index.fake_archive import FakeArchive
from tests.unit.index.index_bench import IndexBench, feed_to_head


class WrittenBench(IndexBench):
    """An index bench with a database of what people wrote. Close it."""

    def __init__(self, generations: Generations, folder: Path, archive: FakeArchive | None = None) -> None:
        super().__init__(generations, archive)
        self.database: Database = open_database("", folder / "written.sqlite", WRITTEN)
        self.store = SqlWritten(self.database)
        self.asked: list[SearchKey] = []
        """The keys that were to be filled."""
        self.written = Written(self.store, generations, self.listener, self.asked.append)

    def add_key(self, key_id: str, path: str, level: Level = Level.INSTANCE, vr: str = "") -> SearchKey:
        """Create a search key, and fill nothing yet."""
        key = make_search_key(key_id, path, level, vr)
        self.written.create_key(key)
        return key

    def fill(self, key: SearchKey, limit: int = 100) -> tuple[int, int]:
        """Fill it to its end: how many records were looked at, and how many have a value."""
        while not (filled := self.written.fill(key, limit)).ready:
            pass
        return filled.records, filled.values

    def key(self, key_id: str, path: str, level: Level = Level.INSTANCE, vr: str = "") -> None:
        """Create a search key, and fill it."""
        self.fill(self.add_key(key_id, path, level, vr))

    def rebuild(self) -> Generation:
        """Derive all anew, as the follower does."""
        made = self.generations.create()
        self.written.prepare(made)
        feed_to_head(self.archive, made, self.listener)
        with self.written.settled(made):
            self.generations.adopt(made)
        return made

    def put(self, report_id: str, text: str, study: str = "", accession: str = "", store: str = "default") -> Report:
        """Put one report."""
        report = make_report(report_id, study, accession, text)
        self.written.put_reports(store, [report])
        return report

    def saying(self, text: str, level: Level = Level.STUDY, store: str = "default") -> list[str]:
        """The UIDs of the records that a filter finds."""
        return self.uids(level, filter=text, store=store)

    def reports_of(self, study: str, store: str = "default") -> list[Report]:
        """A study's reports."""
        return self.index.study_reports(store, study, 1000, lambda: True)
