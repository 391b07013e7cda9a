"""What dry runs found, in SQLite. Free text is among it: the file is identified data, and what is old goes from it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from diana_anon.core.proof.findings import Head, Refusal, StudyFindings
from diana_anon.core.subject import Subject
from diana_common.sqlite_file import Database

_STEPS = (
    """
    CREATE TABLE head (operation TEXT PRIMARY KEY, said TEXT NOT NULL, created REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE study (
        number INTEGER PRIMARY KEY,
        operation TEXT NOT NULL,
        study_uid TEXT NOT NULL,
        new_study_uid TEXT NOT NULL,
        instances INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        held INTEGER NOT NULL,
        left_out INTEGER NOT NULL,
        UNIQUE (operation, study_uid)
    );
    CREATE TABLE action (
        operation TEXT, path TEXT, action TEXT, count INTEGER NOT NULL, PRIMARY KEY (operation, path, action)
    ) WITHOUT ROWID;
    CREATE TABLE text (
        operation TEXT, path TEXT, text TEXT, count INTEGER NOT NULL, PRIMARY KEY (operation, path, text)
    ) WITHOUT ROWID;
    CREATE TABLE refusal (
        number INTEGER PRIMARY KEY, operation TEXT NOT NULL, conflict INTEGER NOT NULL, study_uid TEXT NOT NULL,
        said TEXT NOT NULL
    );
    CREATE INDEX refusal_of ON refusal (operation, conflict, number);
    CREATE TABLE subject (
        operation TEXT, pseudonym TEXT, said TEXT NOT NULL, PRIMARY KEY (operation, pseudonym)
    ) WITHOUT ROWID;
    """,
)
_TABLES = ("head", "study", "action", "text", "refusal", "subject")
_KEPT_SECONDS = 30 * 86400.0
_MOST = 100_000
"""Different paths with actions, texts, and refusals that are kept of a dry run, each."""
_PART = 1000
"""Rows read at a time."""
_INSERT_STUDY = (
    "INSERT INTO study (operation, study_uid, new_study_uid, instances, refused, held, left_out)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)


class SqliteFindings:
    """core.findings.FindingsStore and FindingsReader. `now` is in seconds since the epoch."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """Made, for its owner only, if absent. Raises STORE_SCHEMA_NEWER, STORE_DAMAGED, CONFIG_INVALID, DISK_FULL."""
        self._database = Database(path, _STEPS)
        self._now = now
        with self._database.reading() as db:
            db.execute("PRAGMA secure_delete = ON")
        with self._database.writing() as db:
            _forget(db, now() - _KEPT_SECONDS)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def begin(self, operation: str, head: Head) -> None:
        """See FindingsStore. What is older than 30 days goes, so that free text does not lie about for ever, and so do
        the subjects of others: one runs at a time."""
        now = self._now()
        with self._database.writing() as db:
            _forget(db, now - _KEPT_SECONDS)
            db.execute("DELETE FROM subject WHERE operation <> ?", (operation,))  # of one that was cancelled
            db.execute("INSERT OR IGNORE INTO head VALUES (?, ?, ?)", (operation, json.dumps(asdict(head)), now))

    def add(self, operation: str, findings: StudyFindings) -> None:
        """See FindingsStore."""
        with self._database.writing() as db:
            if _has_study(db, operation, findings.study_uid):
                return
            left_out = findings.left_out
            for table, counter in (("action", findings.actions), ("text", findings.texts)):
                left_out += _add_counts(db, table, operation, counter)
            left_out += _add_refusals(db, operation, findings)
            db.executemany(
                "INSERT OR IGNORE INTO subject VALUES (?, ?, ?)",
                ((operation, name, _said(one)) for name, one in findings.subjects.items()),
            )
            numbers = (findings.instances, findings.refused, findings.held, left_out)
            db.execute(_INSERT_STUDY, (operation, findings.study_uid, findings.new_study_uid, *numbers))

    def subject(self, operation: str, pseudonym: str) -> Subject | None:
        """See FindingsStore."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT said FROM subject WHERE operation = ? AND pseudonym = ?", (operation, pseudonym)
            ).fetchone()
        return _subject(row[0]) if row else None

    def end(self, operation: str) -> None:
        """See FindingsStore."""
        with self._database.writing() as db:
            db.execute("DELETE FROM subject WHERE operation = ?", (operation,))
        # The journal would have them still.
        with self._database.reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def head(self, operation: str) -> Head | None:
        """See FindingsReader."""
        with self._database.reading() as db:
            row = db.execute("SELECT said FROM head WHERE operation = ?", (operation,)).fetchone()
        if row is None:
            return None
        members = json.loads(row[0])
        return Head(**(members | {"methods": tuple(members["methods"])}))

    def totals(self, operation: str) -> tuple[int, int]:
        """See FindingsReader."""
        ((conflicts,),) = self._read("SELECT count(*) FROM refusal WHERE operation = ? AND conflict", operation)
        ((texts,),) = self._read("SELECT count(*) FROM text WHERE operation = ?", operation)
        return conflicts, texts

    def studies(self, operation: str) -> Iterator[StudyFindings]:
        """See FindingsReader."""
        columns = "number, study_uid, new_study_uid, instances, refused, held, left_out"
        for _, uid, new, instances, refused, held, left_out in self._rows("study", columns, operation):
            yield StudyFindings(uid, new, instances, refused, held, left_out=left_out)

    def actions(self, operation: str) -> Iterator[tuple[str, str, int]]:
        """See FindingsReader."""
        return self._pairs("action", operation)

    def texts(self, operation: str) -> Iterator[tuple[str, str, int]]:
        """See FindingsReader."""
        return self._pairs("text", operation)

    def refusals(self, operation: str, conflicts: bool) -> Iterator[tuple[str, Refusal]]:
        """See FindingsReader."""
        for _, uid, said in self._rows(
            "refusal", "number, study_uid, said", operation, f" AND conflict = {conflicts:d}"
        ):
            yield uid, Refusal(**json.loads(said))

    def _rows(self, table: str, columns: str, operation: str, where: str = "") -> Iterator[tuple[Any, ...]]:
        """By number."""
        after = 0
        sql = f"SELECT {columns} FROM {table} WHERE operation = ?{where} AND number > ? ORDER BY number LIMIT {_PART}"
        while rows := self._read(sql, operation, after):
            yield from rows
            after = rows[-1][0]

    def _pairs(self, table: str, operation: str) -> Iterator[tuple[str, str, int]]:
        """By path and what stands there."""
        after = ("", "")
        sql = (
            f"SELECT path, {table}, count FROM {table} WHERE operation = ? AND (path, {table}) > (?, ?)"
            f" ORDER BY path, {table} LIMIT {_PART}"
        )
        while rows := self._read(sql, operation, *after):
            yield from rows
            after = rows[-1][:2]

    def _read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._database.reading() as db:
            return db.execute(sql, values).fetchall()


def _forget(db: sqlite3.Connection, created_before: float) -> None:
    old = db.execute("SELECT operation FROM head WHERE created < ?", (created_before,)).fetchall()
    for table in _TABLES:
        db.executemany(f"DELETE FROM {table} WHERE operation = ?", old)


def _has_study(db: sqlite3.Connection, operation: str, study_uid: str) -> bool:
    found = db.execute("SELECT 1 FROM study WHERE operation = ? AND study_uid = ?", (operation, study_uid))
    return found.fetchone() is not None


def _add_counts(db: sqlite3.Connection, table: str, operation: str, counter: Counter[tuple[str, str]]) -> int:
    """Add to what is there; how many are not kept, because there is too much already."""
    rows = [(count, operation, *key) for key, count in counter.items()]
    if _room(db, table, operation) >= len(rows):
        db.executemany(
            f"INSERT INTO {table} (count, operation, path, {table}) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count",
            rows,
        )
        return 0
    update = f"UPDATE {table} SET count = count + ? WHERE operation = ? AND path = ? AND {table} = ?"
    return len(rows) - db.executemany(update, rows).rowcount


def _add_refusals(db: sqlite3.Connection, operation: str, findings: StudyFindings) -> int:
    """How many are not kept, because there are too many already."""
    room = _room(db, "refusal", operation)
    said = [(False, one) for one in findings.refusals] + [(True, one) for one in findings.conflicts]
    db.executemany(
        "INSERT INTO refusal (operation, conflict, study_uid, said) VALUES (?, ?, ?, ?)",
        ((operation, conflict, findings.study_uid, json.dumps(asdict(one))) for conflict, one in said[:room]),
    )
    return max(0, len(said) - room)


def _room(db: sqlite3.Connection, table: str, operation: str) -> int:
    taken = db.execute(f"SELECT count(*) FROM {table} WHERE operation = ?", (operation,)).fetchone()[0]
    return int(max(0, _MOST - taken))


def _said(subject: Subject) -> str:
    return json.dumps(asdict(subject), default=date.isoformat)


def _subject(said: str) -> Subject:
    members: dict[str, Any] = json.loads(said)
    for field in ("birth_date", "reference_date"):
        members[field] = date.fromisoformat(members[field]) if members[field] else None
    return Subject(**members)
