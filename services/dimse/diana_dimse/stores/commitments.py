"""Storage commitment transactions in SQLite."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_common.sqlite_file import Database
from diana_dimse.core.commitment.model import Asked, Reference
from diana_dimse.core.commitment.provider import Transaction

_SCHEMA = """
CREATE TABLE pending (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    store TEXT NOT NULL,
    called TEXT NOT NULL,
    calling TEXT NOT NULL,
    transaction_uid TEXT NOT NULL,
    document TEXT NOT NULL,
    accept_time REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_time REAL NOT NULL,
    UNIQUE (calling, called, transaction_uid)
);
CREATE INDEX by_due_time ON pending (due_time);
"""
_COLUMNS = "number, store, called, calling, transaction_uid, document, accept_time, attempts"
_FREE = "number NOT IN (SELECT value FROM json_each(?)) AND calling NOT IN (SELECT value FROM json_each(?))"
_MOST_CHARACTERS = 64 * 1024 * 1024


class SqliteCommitments:
    """core.commitments.CommitmentLedger in a file; for one process at a time."""

    def __init__(self, path: Path, most: int) -> None:
        """`most` transactions at a time. Raises DianaError STORE_SCHEMA_NEWER, STORE_DAMAGED, CONFIG_INVALID."""
        self._database = Database(path, (_SCHEMA,))
        self._most = most

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(self, store: str, called: str, calling: str, asked: Asked, now: float) -> Transaction:
        """See CommitmentLedger."""
        document = _document(asked.references)
        with self._database.writing() as db:
            name = (calling, called, asked.transaction_uid)
            where = "calling = ? AND called = ? AND transaction_uid = ?"
            row = db.execute(f"SELECT {_COLUMNS} FROM pending WHERE {where}", name).fetchone()
            if row is not None:
                if row[1] != store or row[5] != document:
                    raise DianaError(Reason.REQUEST_ID_REUSED, "The transaction UID is in use for other instances.")
                return _transaction(row)
            count, size = db.execute("SELECT count(*), total(length(document)) FROM pending").fetchone()
            if count >= self._most or size + len(document) > _MOST_CHARACTERS:
                raise DianaError(Reason.OVERLOADED, "Too many commitments wait to be reported.")
            row = db.execute(
                "INSERT INTO pending (store, called, calling, transaction_uid, document, accept_time, due_time)"
                f" VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING {_COLUMNS}",
                (store, called, calling, asked.transaction_uid, document, now, now),
            ).fetchone()
        return _transaction(row)

    def get(self, number: int) -> Transaction | None:
        """See CommitmentLedger."""
        with self._database.reading() as db:
            row = db.execute(f"SELECT {_COLUMNS} FROM pending WHERE number = ?", (number,)).fetchone()
        return _transaction(row) if row else None

    def due(self, now: float, but: Collection[int], but_calling: Collection[str]) -> Transaction | None:
        """See CommitmentLedger."""
        with self._database.reading() as db:
            row = db.execute(
                f"SELECT {_COLUMNS} FROM pending WHERE due_time <= ? AND {_FREE} ORDER BY due_time, number LIMIT 1",
                (now, json.dumps(list(but)), json.dumps(list(but_calling))),
            ).fetchone()
        return _transaction(row) if row else None

    def next_due_time(self, but: Collection[int], but_calling: Collection[str]) -> float | None:
        """See CommitmentLedger."""
        with self._database.reading() as db:
            values = (json.dumps(list(but)), json.dumps(list(but_calling)))
            found: float | None = db.execute(f"SELECT min(due_time) FROM pending WHERE {_FREE}", values).fetchone()[0]
        return found

    def postpone(self, number: int, due_time: float, failed: bool) -> None:
        """See CommitmentLedger."""
        with self._database.writing() as db:
            values = (due_time, int(failed), number)
            db.execute("UPDATE pending SET due_time = ?, attempts = attempts + ? WHERE number = ?", values)

    def remove(self, number: int) -> None:
        """See CommitmentLedger."""
        with self._database.writing() as db:
            db.execute("DELETE FROM pending WHERE number = ?", (number,))

    def count(self) -> int:
        """How many transactions there are."""
        with self._database.reading() as db:
            return int(db.execute("SELECT count(*) FROM pending").fetchone()[0])


def _document(references: Sequence[Reference]) -> str:
    """SOP Instance UIDs by SOP Class, of which there are few."""
    by_class: dict[str, list[str]] = {}
    for one in references:
        by_class.setdefault(one.sop_class_uid, []).append(one.sop_instance_uid)
    return json.dumps(by_class, separators=(",", ":"))


def _transaction(row: Sequence[Any]) -> Transaction:
    number, store, called, calling, transaction_uid, document, *rest = row
    references = tuple(Reference(name, uid) for name, uids in json.loads(document).items() for uid in uids)
    return Transaction(number, store, called, calling, Asked(transaction_uid, references), *rest)
