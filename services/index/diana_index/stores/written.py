"""The database of what people wrote: it is derived from nothing, so that it outlives every rebuild."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from diana_index.core.attributes import Level
from diana_index.core.reports import Finding, Report, make_report
from diana_index.core.reports.findings import VERSION
from diana_index.core.store import Damaged, PutReport, RemoveReport, ReportChange
from diana_index.core.vocabulary import SearchKey
from diana_index.core.written import KeptKey
from diana_index.stores import cohorts
from diana_index.stores.connection import Connection
from diana_index.stores.databases import Database, Layout
from diana_index.stores.dialect import Dialect

_CHANGES = 100
"""Read at a time; a report has at most 1 MiB."""


def tables(dialect: Dialect) -> list[str]:
    """What makes the tables of search keys and reports. `body` is compressed JSON, none of a report that is gone."""
    text, blob = dialect.text, dialect.blob
    return [
        f"""CREATE TABLE search_key (id {text} PRIMARY KEY, path {text} NOT NULL, level {text} NOT NULL,
            vr {text} NOT NULL, create_time DOUBLE PRECISION NOT NULL)""",
        "CREATE TABLE report_change (one INTEGER PRIMARY KEY CHECK (one = 1), number BIGINT NOT NULL)",
        "INSERT INTO report_change VALUES (1, 0)",
        f"""CREATE TABLE report (store {text} NOT NULL, report_id {text} NOT NULL, change BIGINT NOT NULL UNIQUE,
            body {blob}, PRIMARY KEY (store, report_id))""",
    ]


WRITTEN = Layout("diana_index_written", "what people wrote", [cohorts.tables, tables])
"""What a later version keeps besides is another step."""


class SqlWritten:
    """See core.written.WrittenStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def search_keys(self) -> list[KeptKey]:
        """See WrittenStore."""
        with self._database.reading() as db:
            return _keys(db)

    def add_key(self, key: KeptKey, most: int) -> KeptKey | None:
        """See WrittenStore."""
        with self._database.writing() as db:
            kept = {one.key.key_id: one for one in _keys(db)}
            if key.key.key_id in kept or len(kept) >= most:
                return kept.get(key.key.key_id)
            one = key.key
            values = (one.key_id, one.path, one.level.name, one.vr, key.create_time)
            db.execute("INSERT INTO search_key VALUES (?, ?, ?, ?, ?)", values)
        return key

    def delete_key(self, key_id: str) -> bool:
        """See WrittenStore."""
        with self._database.writing() as db:
            kept = any(one.key.key_id == key_id for one in _keys(db))
            db.execute("DELETE FROM search_key WHERE id = ?", (key_id,))
        return kept

    def put_reports(self, store: str, reports: Sequence[Report]) -> None:
        """See WrittenStore."""
        packed = [(report.report_id, _packed(report)) for report in reports]
        with self._database.writing() as db:
            for report_id, body in packed:
                db.execute(
                    """INSERT INTO report VALUES (?, ?, ?, ?) ON CONFLICT (store, report_id)
                    DO UPDATE SET change = excluded.change, body = excluded.body""",
                    (store, report_id, _next_number(db), body),
                )

    def delete_report(self, store: str, report_id: str) -> None:
        """See WrittenStore."""
        with self._database.writing() as db:
            which = (store, report_id)
            body = "SELECT 1 FROM report WHERE store = ? AND report_id = ? AND body IS NOT NULL"
            if db.execute(body, which).fetchone():
                forget = "UPDATE report SET body = NULL, change = ? WHERE store = ? AND report_id = ?"
                db.execute(forget, (_next_number(db), *which))

    def changes(self, after: int) -> list[ReportChange]:
        """See WrittenStore."""
        with self._database.reading() as db:
            (last,) = db.execute("SELECT number FROM report_change").fetchone()
            words = "SELECT change, store, report_id, body FROM report WHERE change > ? ORDER BY change LIMIT ?"
            rows = db.execute(words, (after, _CHANGES)).fetchall()
        if after > last:
            raise Damaged
        return [_change(*row) for row in rows]

    def holding(self) -> AbstractContextManager[object]:
        """See WrittenStore."""
        return self._database.writing()


def _keys(db: Connection) -> list[KeptKey]:
    rows = db.execute("SELECT id, path, level, vr, create_time FROM search_key ORDER BY id").fetchall()
    return [KeptKey(SearchKey(key_id, path, Level[level], vr), created) for key_id, path, level, vr, created in rows]


def _next_number(db: Connection) -> int:
    db.execute("UPDATE report_change SET number = number + 1")
    return int(db.execute("SELECT number FROM report_change").fetchone()[0])


def _packed(report: Report) -> bytes:
    """What a report is made of anew. No dictionary of this program's: a later one must read it."""
    found = [[one.name, one.text, one.number, one.start, one.end] for one in report.findings]
    said = [report.study_uid, report.accession_number, report.text, report.time, VERSION, found]
    return zlib.compress(json.dumps(said).encode(), 1)


def _change(number: int, store: str, report_id: str, body: Any) -> ReportChange:
    if body is None:
        return RemoveReport(number, store, report_id)
    *said, version, found = json.loads(zlib.decompress(body))
    if version == VERSION:
        study_uid, accession_number, text, time = said
        findings = tuple(Finding(*one) for one in found)
        report = Report(report_id, study_uid, accession_number, text, time, findings=findings)
    else:
        report = make_report(report_id, *said)
    return PutReport(number, store, report)
