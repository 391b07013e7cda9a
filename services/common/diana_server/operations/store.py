"""Operations in SQLite: one file a service, one writer, durable at every change of state."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_common.state_files import make_directory, make_private_file
from diana_server.operations.model import Failure, Operation, Progress, State

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE operation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    store TEXT NOT NULL,
    state INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    unit TEXT NOT NULL DEFAULT '',
    payload BLOB NOT NULL,
    checkpoint BLOB NOT NULL DEFAULT x'',
    error BLOB NOT NULL DEFAULT x'',
    result BLOB NOT NULL DEFAULT x'',
    create_time REAL NOT NULL,
    start_time REAL,
    end_time REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    cancel_asked INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX operation_state ON operation (state, number);
CREATE TABLE request (
    request_id TEXT PRIMARY KEY,
    operation INTEGER NOT NULL REFERENCES operation (number) ON DELETE CASCADE,
    fingerprint BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX request_operation ON request (operation);
CREATE TABLE failure (
    operation INTEGER NOT NULL REFERENCES operation (number) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    item TEXT NOT NULL,
    status BLOB NOT NULL,
    PRIMARY KEY (operation, number)
) WITHOUT ROWID;
"""

_COLUMNS = (
    "number, name, kind, store, state, done, total, failed, unit, payload, checkpoint, error, result,"
    " create_time, start_time, end_time, attempts, cancel_asked"
)


class OperationStore:
    """Operations and their failed items. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        make_directory(path.parent)
        make_private_file(path)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise DianaError(Reason.STORE_SCHEMA_NEWER, f"{path.name} has schema {version}, newer than this version's.")
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(
        self, service: str, kind: str, payload: bytes, store: str, request_id: str, now: float, *, join: bool = False
    ) -> Operation:
        """Record a new operation, or return the one that was answered to the same request id.

        With `join`, one of that kind and store that has not ended is returned instead of a new one.
        Raises DianaError REQUEST_ID_REUSED where the id stood for another request.
        """
        fingerprint = hashlib.sha256(repr((kind, store, payload)).encode()).digest()
        with self._transaction() as db:
            if request_id and (known := self._requested(db, request_id, fingerprint)):
                return known
            joined = self._active(db, kind, store) if join else None
            answer = joined or self._insert(db, service, kind, payload, store, now)
            if request_id:
                db.execute("INSERT INTO request VALUES (?, ?, ?)", (request_id, answer.number, fingerprint))
            return answer

    def _requested(self, db: sqlite3.Connection, request_id: str, fingerprint: bytes) -> Operation | None:
        row = db.execute("SELECT operation, fingerprint FROM request WHERE request_id = ?", (request_id,)).fetchone()
        if row is None:
            return None
        if row[1] != fingerprint:
            raise DianaError(Reason.REQUEST_ID_REUSED, "Another request was made under this request_id.")
        return self._select(db, "WHERE number = ?", (row[0],))[0]

    def _active(self, db: sqlite3.Connection, kind: str, store: str) -> Operation | None:
        values = (kind, store, State.SUCCEEDED.value)
        rows = self._select(db, "WHERE kind = ? AND store = ? AND state < ? ORDER BY number LIMIT 1", values)
        return rows[0] if rows else None

    def _insert(
        self, db: sqlite3.Connection, service: str, kind: str, payload: bytes, store: str, now: float
    ) -> Operation:
        name = f"operations/{service}-{uuid.uuid4().hex}"
        db.execute(
            "INSERT INTO operation (name, kind, store, state, payload, create_time) VALUES (?, ?, ?, ?, ?, ?)",
            (name, kind, store, State.QUEUED.value, payload, now),
        )
        return self._select(db, "WHERE name = ?", (name,))[0]

    def get(self, name: str) -> Operation:
        """Raises DianaError OPERATION_NOT_FOUND."""
        with self._lock:
            rows = self._select(self._db, "WHERE name = ?", (name,))
        if not rows:
            raise DianaError(Reason.OPERATION_NOT_FOUND, "There is no operation of that name here.")
        return rows[0]

    def page(self, before: int | None, size: int, active_only: bool) -> list[Operation]:
        """Operations numbered below `before`, newest first."""
        ended = State.SUCCEEDED.value if active_only else State.CANCELLED.value + 1
        with self._lock:
            return self._select(
                self._db,
                "WHERE state < ? AND number < ? ORDER BY number DESC LIMIT ?",
                (ended, before if before is not None else 1 << 62, size),
            )

    def take(self, kinds: Sequence[str], now: float) -> Operation | None:
        """The oldest queued operation of these kinds, RUNNING from now on."""
        marks = ", ".join("?" for _ in kinds)
        with self._transaction() as db:
            rows = self._select(
                db, f"WHERE state = ? AND kind IN ({marks}) ORDER BY number LIMIT 1", (State.QUEUED.value, *kinds)
            )
            if not rows:
                return None
            db.execute(
                "UPDATE operation SET state = ?, start_time = ?, attempts = attempts + 1 WHERE number = ?",
                (State.RUNNING.value, now, rows[0].number),
            )
            return self._select(db, "WHERE number = ?", (rows[0].number,))[0]

    def save_progress(self, number: int, progress: Progress, checkpoint: bytes | None = None) -> None:
        """Keep how far an operation has come."""
        with self._transaction() as db:
            db.execute(
                "UPDATE operation SET done = ?, total = ?, failed = ?, unit = ?, checkpoint = ifnull(?, checkpoint)"
                " WHERE number = ?",
                (progress.done, progress.total, progress.failed, progress.unit, checkpoint, number),
            )

    def add_failure(self, number: int, failure: Failure) -> None:
        """Keep a failed item."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO failure SELECT ?, ifnull(max(number), 0) + 1, ?, ? FROM failure WHERE operation = ?",
                (number, failure.item, failure.status, number),
            )

    def failures(self, number: int, after: int, size: int) -> list[tuple[int, Failure]]:
        """Failed items numbered above `after`, in order."""
        with self._lock:
            rows = self._db.execute(
                "SELECT number, item, status FROM failure WHERE operation = ? AND number > ? ORDER BY number LIMIT ?",
                (number, after, size),
            ).fetchall()
        return [(row[0], Failure(row[1], row[2])) for row in rows]

    def end(self, number: int, state: State, now: float, *, result: bytes = b"", error: bytes = b"") -> None:
        """Record how an operation ended."""
        with self._transaction() as db:
            db.execute(
                "UPDATE operation SET state = ?, end_time = ?, result = ?, error = ? WHERE number = ?",
                (state.value, now, result, error, number),
            )

    def requeue(self, number: int) -> None:
        """Put an operation that was interrupted back, to be resumed."""
        with self._transaction() as db:
            db.execute("UPDATE operation SET state = ? WHERE number = ?", (State.QUEUED.value, number))

    def ask_cancel(self, name: str, now: float) -> None:
        """Mark an operation for cancelling; one that waits ends at once."""
        with self._transaction() as db:
            db.execute("UPDATE operation SET cancel_asked = 1 WHERE name = ?", (name,))
            db.execute(
                "UPDATE operation SET state = ?, end_time = ? WHERE name = ? AND state = ?",
                (State.CANCELLED.value, now, name, State.QUEUED.value),
            )

    def recover(self, most_crashes: int, now: float, error: bytes) -> None:
        """After a crash: put what ran back, and fail what was running at too many crashes."""
        with self._transaction() as db:
            db.execute("UPDATE operation SET crashes = crashes + 1 WHERE state = ?", (State.RUNNING.value,))
            db.execute(
                "UPDATE operation SET state = ?, end_time = ?, error = ? WHERE state = ? AND crashes >= ?",
                (State.FAILED.value, now, error, State.RUNNING.value, most_crashes),
            )
            db.execute("UPDATE operation SET state = ? WHERE state = ?", (State.QUEUED.value, State.RUNNING.value))

    def forget(self, ended_before: float) -> None:
        """Drop operations that ended long ago."""
        with self._transaction() as db:
            db.execute("DELETE FROM operation WHERE end_time < ?", (ended_before,))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk ends some transactions by itself, and leaves others open when it is the commit that fails.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @staticmethod
    def _select(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Operation]:
        return [_operation(row) for row in db.execute(f"SELECT {_COLUMNS} FROM operation {where}", values)]


def _operation(row: tuple[Any, ...]) -> Operation:
    values: list[Any] = [*row[:4], State(row[4]), Progress(*row[5:9]), *row[9:-1], bool(row[-1])]
    return Operation(*values)
