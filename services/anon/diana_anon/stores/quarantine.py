"""The quarantine in SQLite."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any

from diana_anon.core.proof.quarantine import Entry, HeldBack, Why
from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.sqlite_file import Database

_HELD = (
    "operation, source_store, study_uid, sop_instance_uid, source_sha256, profile, profile_sha256, why, detail, created"
)


class SqliteQuarantine:
    """core.ports.Quarantine."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hold(self, held: HeldBack) -> None:
        """See Quarantine."""
        digests = bytes.fromhex(held.source_sha256), held.profile, bytes.fromhex(held.profile_sha256)
        where = held.operation, held.source_store, held.study_uid, held.sop_instance_uid
        values = (secrets.token_hex(16), *where, *digests, held.why.value, held.detail, held.created)
        with self._database.writing() as db:
            marks = ", ".join("?" * len(values))
            db.execute(f"INSERT OR IGNORE INTO quarantine (id, {_HELD}) VALUES ({marks})", values)

    def released_by(self, source_sha256: str, profile_sha256: str, why: Why) -> str:
        """See Quarantine."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT released_by FROM quarantine WHERE source_sha256 = ? AND profile_sha256 = ? AND why = ?"
                " AND released_by <> '' ORDER BY number LIMIT 1",
                (bytes.fromhex(source_sha256), bytes.fromhex(profile_sha256), why.value),
            ).fetchone()
        return str(row[0]) if row else ""

    def entries(self, operation: str, released: bool, after: int, size: int) -> list[Entry]:
        """See Quarantine."""
        where, values = "number > ?", [after, operation, size] if operation else [after, size]
        where += " AND operation = ?" if operation else ""
        where += "" if released else " AND released_by = ''"
        with self._database.reading() as db:
            return _entries(db, f"{where} ORDER BY number LIMIT ?", values)

    def count(self, operation: str, study_uid: str = "") -> int:
        """See Quarantine."""
        sql = "SELECT count(DISTINCT source_sha256) FROM quarantine WHERE operation = ?"
        with self._database.reading() as db:
            if study_uid:
                return int(db.execute(f"{sql} AND study_uid = ?", (operation, study_uid)).fetchone()[0])
            return int(db.execute(sql, (operation,)).fetchone()[0])

    def release(self, ids: Sequence[str], released_by: str) -> list[Entry]:
        """See Quarantine."""
        with self._database.writing() as db:
            numbers = [_number(db, place, one) for place, one in enumerate(ids)]
            rows = [(released_by, number) for number in numbers]
            db.executemany("UPDATE quarantine SET released_by = ? WHERE number = ?", rows)
            return [_entries(db, "number = ?", [number])[0] for number in numbers]


def _number(db: sqlite3.Connection, place: int, beginning: str) -> int:
    """The only entry whose id begins so. Raises QUARANTINE_ENTRY_NOT_FOUND, INVALID_FIELD."""
    sql = "SELECT number FROM quarantine WHERE id >= ? AND id < ?"
    found = db.execute(sql, (beginning, f"{beginning}~")).fetchall()  # ids are hexadecimal: all before "~"
    if not found:
        raise DianaError(Reason.QUARANTINE_ENTRY_NOT_FOUND, "There is no quarantine entry of this id here.")
    if len(found) > 1:
        raise invalid_field(f"ids[{place}]", f"{len(found)} entries begin with {beginning}: write more of the id")
    return int(found[0][0])


def _entries(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[Entry]:
    rows = db.execute(f"SELECT number, id, released_by, {_HELD} FROM quarantine WHERE {where}", values)
    return [_entry(row) for row in rows]


def _entry(row: Sequence[Any]) -> Entry:
    number, key, released_by, operation, store, study, instance, source, profile, digest, why, detail, created = row
    held = HeldBack(
        operation, store, study, instance, source.hex(), profile, digest.hex(), Why(why), detail, created
    )  # fmt: skip
    return Entry(number, key, held, released_by)
