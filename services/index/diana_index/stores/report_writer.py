"""Writing reports: their rows, their findings and their words; and reading them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from diana_index.core.reports import Finding, Report
from diana_index.core.reports.words import words
from diana_index.stores.connection import Connection
from diana_index.stores.packing import pack, unpack

_COLUMNS = "report_id, study_uid, accession_number, instance, report_time, findings"


class ReportWriter:
    """Writes within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._do = connection.execute
        self._do_many = connection.executemany

    def put(self, store: str, report: Report, instance: int | None = None) -> None:
        """Put a report; a plain one in place of one of the same id. `instance`: which it is, of a structured one."""
        if instance is None:
            self.remove(store, report.report_id)
        row_id = int(self._do("SELECT coalesce(max(id), 0) + 1 FROM report").fetchone()[0])
        self._do(
            f"INSERT INTO report (id, store, {_COLUMNS}, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row_id,
                store,
                report.report_id,
                report.study_uid or None,
                report.accession_number or None,
                instance,
                report.time,
                _packed_findings(report),
                pack(report.text.encode("utf-8", "replace")),
            ),
        )
        found = [(row_id, one.name, one.text, one.number) for one in report.findings]
        self._do_many("INSERT INTO finding VALUES (?, ?, ?, ?)", found)
        if said := words(report.text):
            self._do("INSERT INTO report_words (rowid, words) VALUES (?, ?)", (row_id, " ".join(said)))

    def remove(self, store: str, report_id: str) -> None:
        """Remove a plain report, if it is there."""
        row = self._do(
            "SELECT id FROM report WHERE store = ? AND report_id = ? AND instance IS NULL", (store, report_id)
        ).fetchone()
        if row:
            self._forget([row[0]])

    def forget_instances(self, instances: Iterable[int]) -> None:
        """Remove the reports that instances are."""
        for instance in instances:
            self._forget([row[0] for row in self._do("SELECT id FROM report WHERE instance = ?", (instance,))])

    def _forget(self, row_ids: Iterable[int]) -> None:
        rows = [(one,) for one in row_ids]
        for table, column in (("report", "id"), ("finding", "report"), ("report_words", "rowid")):
            self._do_many(f"DELETE FROM {table} WHERE {column} = ?", rows)


def read_report(connection: Connection, store: str, report_id: str) -> Report | None:
    """A report with its text; a plain one before a structured one."""
    row = connection.execute(
        f"SELECT {_COLUMNS}, body FROM report WHERE store = ? AND report_id = ? ORDER BY instance IS NOT NULL LIMIT 1",
        (store, report_id),
    ).fetchone()
    return _report(row[:-1], unpack(row[-1]).decode()) if row else None


def study_reports(connection: Connection, store: str, study_uid: str, limit: int) -> list[Report]:
    """A study's reports, by its UID or its accession number, the newest first, without their texts."""
    rows = connection.execute(
        f"""SELECT {_COLUMNS} FROM report WHERE store = ?1 AND (study_uid = ?2 OR accession_number =
            (SELECT "AccessionNumber" FROM study WHERE store = ?1 AND "StudyInstanceUID" = ?2))
        ORDER BY report_time DESC NULLS LAST, report_id LIMIT ?3""",
        (store, study_uid, limit),
    )
    return [_report(row) for row in rows]


def _packed_findings(report: Report) -> bytes:
    return pack(orjson.dumps([[one.name, one.text, one.number, one.start, one.end] for one in report.findings]))


def _report(row: Any, text: str = "") -> Report:
    report_id, study_uid, accession_number, instance, time, found = row
    return Report(
        report_id,
        study_uid or "",
        accession_number or "",
        text,
        time,
        structured=instance is not None,
        findings=tuple(Finding(*one) for one in orjson.loads(unpack(found))),
    )
