"""Operations, durable at every change of state: in SQLite, a file a service, or in PostgreSQL for many processes."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_server.operations.engines import Database, Engine, SqliteEngine
from diana_server.operations.model import Failure, Operation, Progress, State

_COLUMNS = (
    "number, name, kind, store, state, done, total, failed, unit, payload, checkpoint, error, result,"
    " create_time, start_time, end_time, attempts, cancel_asked"
)
# What is asked of an operation may be told apart from what it yields, and is needed no more once it has ended.
_FORGET, _FORGOTTEN = "payload = ?, checkpoint = ?", (b"", b"")


class OperationStore:
    """Operations and their failed items. Safe to use from several threads.

    What an operation that runs writes is dropped once another process has taken the operation up.
    """

    def __init__(self, place: Path | str) -> None:
        """A file, or the URL of a PostgreSQL database. Raises what the engines do."""
        self._engine = _open(place)
        self.poll_seconds = self._engine.poll_seconds

    def close(self) -> None:
        """Close the file or the connection."""
        self._engine.close()

    def add(
        self,
        service: str,
        kind: str,
        payload: bytes,
        store: str,
        request_id: str,
        now: float,
        *,
        joins: Callable[[bytes], bool] | None = None,
    ) -> Operation:
        """Record a new operation, or return the one that was answered to the same request id.

        With `joins`, one of that kind and store that has not ended is returned instead of a new one, if its payload
        is such.
        Raises DianaError REQUEST_ID_REUSED where the id stood for another request.
        """
        fingerprint = _fingerprint(kind, store, payload)
        with self._engine.writing() as db:
            if request_id and (known := self._requested(db, request_id, fingerprint)):
                return known
            joined = [one for one in self._active(db, kind, store) if joins(one.payload)] if joins else []
            answer = joined[0] if joined else self._insert(db, service, kind, payload, store, now)
            if request_id:
                db.execute("INSERT INTO request VALUES (?, ?, ?)", (request_id, answer.number, fingerprint))
            return answer

    def repeated(self, kind: str, payload: bytes, store: str, request_id: str) -> Operation | None:
        """The operation that was answered to the same request, if it was made before. Raises DianaError
        REQUEST_ID_REUSED."""
        with self._engine.reading() as db:
            return self._requested(db, request_id, _fingerprint(kind, store, payload)) if request_id else None

    def _requested(self, db: Database, request_id: str, fingerprint: bytes) -> Operation | None:
        row = db.execute("SELECT operation, fingerprint FROM request WHERE request_id = ?", (request_id,)).fetchone()
        if row is None:
            return None
        if row[1] != fingerprint:
            raise DianaError(Reason.REQUEST_ID_REUSED, "Another request was made under this request_id.")
        return self._select(db, "WHERE number = ?", (row[0],))[0]

    def _active(self, db: Database, kind: str, store: str) -> list[Operation]:
        values = (kind, store, State.SUCCEEDED.value)
        return self._select(db, "WHERE kind = ? AND store = ? AND state < ? ORDER BY number", values)

    def _insert(self, db: Database, service: str, kind: str, payload: bytes, store: str, now: float) -> Operation:
        name = f"operations/{service}-{uuid.uuid4().hex}"
        db.execute(
            "INSERT INTO operation (name, kind, store, state, payload, create_time) VALUES (?, ?, ?, ?, ?, ?)",
            (name, kind, store, State.QUEUED.value, payload, now),
        )
        return self._select(db, "WHERE name = ?", (name,))[0]

    def get(self, name: str) -> Operation:
        """Raises DianaError OPERATION_NOT_FOUND."""
        with self._engine.reading() as db:
            rows = self._select(db, "WHERE name = ?", (name,))
        if not rows:
            raise DianaError(Reason.OPERATION_NOT_FOUND, "There is no operation of that name here.")
        return rows[0]

    def page(self, before: int | None, size: int, active_only: bool) -> list[Operation]:
        """Operations numbered below `before`, newest first."""
        ended = State.SUCCEEDED.value if active_only else State.CANCELLED.value + 1
        with self._engine.reading() as db:
            return self._select(
                db,
                "WHERE state < ? AND number < ? ORDER BY number DESC LIMIT ?",
                (ended, before if before is not None else 1 << 62, size),
            )

    def take(self, kinds: Sequence[str], now: float) -> Operation | None:
        """The oldest queued operation of these kinds, RUNNING from now on."""
        marks = ", ".join("?" for _ in kinds)
        with self._engine.writing() as db:
            rows = self._select(
                db, f"WHERE state = ? AND kind IN ({marks}) ORDER BY number LIMIT 1", (State.QUEUED.value, *kinds)
            )
            if not rows:
                return None
            db.execute(
                "UPDATE operation SET state = ?, start_time = ?, attempts = attempts + 1, runner = ? WHERE number = ?",
                (State.RUNNING.value, now, self._engine.runner, rows[0].number),
            )
            return self._select(db, "WHERE number = ?", (rows[0].number,))[0]

    def save_progress(self, number: int, progress: Progress, checkpoint: bytes | None = None) -> None:
        """Keep how far an operation has come."""
        with self._engine.writing() as db:
            db.execute(
                "UPDATE operation SET done = ?, total = ?, failed = ?, unit = ?, checkpoint = coalesce(?, checkpoint)"
                " WHERE number = ? AND runner = ?",
                (
                    progress.done,
                    progress.total,
                    progress.failed,
                    progress.unit,
                    checkpoint,
                    number,
                    self._engine.runner,
                ),
            )

    def add_failure(self, number: int, failure: Failure) -> None:
        """Keep a failed item."""
        with self._engine.writing() as db:
            db.execute(
                "INSERT INTO failure SELECT ?, coalesce(max(number), 0) + 1, ?, ? FROM failure WHERE operation = ?",
                (number, failure.item, failure.status, number),
            )

    def failures(self, number: int, after: int, size: int) -> list[tuple[int, Failure]]:
        """Failed items numbered above `after`, in order."""
        with self._engine.reading() as db:
            rows = db.execute(
                "SELECT number, item, status FROM failure WHERE operation = ? AND number > ? ORDER BY number LIMIT ?",
                (number, after, size),
            ).fetchall()
        return [(row[0], Failure(row[1], row[2])) for row in rows]

    def end(self, number: int, state: State, now: float, *, result: bytes = b"", error: bytes = b"") -> None:
        """Record how an operation ended, and forget what it was asked."""
        with self._engine.writing() as db:
            db.execute(
                f"UPDATE operation SET state = ?, end_time = ?, result = ?, error = ?, {_FORGET}"
                " WHERE number = ? AND runner = ?",
                (state.value, now, result, error, *_FORGOTTEN, number, self._engine.runner),
            )
        self._engine.scrub()

    def requeue(self, number: int) -> None:
        """Put an operation that was interrupted back, to be resumed."""
        with self._engine.writing() as db:
            db.execute(
                "UPDATE operation SET state = ?, runner = 0 WHERE number = ? AND runner = ?",
                (State.QUEUED.value, number, self._engine.runner),
            )

    def ask_cancel(self, name: str, now: float) -> None:
        """Mark an operation for cancelling; one that waits ends at once."""
        with self._engine.writing() as db:
            db.execute("UPDATE operation SET cancel_asked = 1 WHERE name = ?", (name,))
            db.execute(
                f"UPDATE operation SET state = ?, end_time = ?, {_FORGET} WHERE name = ? AND state = ?",
                (State.CANCELLED.value, now, *_FORGOTTEN, name, State.QUEUED.value),
            )
        self._engine.scrub()

    def recover(self, most_crashes: int, now: float, error: bytes) -> None:
        """Put back what processes ran that are gone, and fail what was running at too many crashes."""
        running = State.RUNNING.value
        with self._engine.writing() as db:
            rows = db.execute("SELECT DISTINCT runner FROM operation WHERE state = ?", (running,)).fetchall()
            for runner in [row[0] for row in rows if self._engine.is_gone(db, row[0])]:
                of = (running, runner)
                db.execute("UPDATE operation SET crashes = crashes + 1 WHERE state = ? AND runner = ?", of)
                db.execute(
                    f"UPDATE operation SET state = ?, end_time = ?, error = ?, {_FORGET}"
                    " WHERE state = ? AND runner = ? AND crashes >= ?",
                    (State.FAILED.value, now, error, *_FORGOTTEN, *of, most_crashes),
                )
                db.execute(
                    "UPDATE operation SET state = ?, runner = 0 WHERE state = ? AND runner = ?",
                    (State.QUEUED.value, *of),
                )

    def is_unwanted(self, number: int) -> bool:
        """Whether what this process runs should be left: it is to be cancelled, or another process has it."""
        with self._engine.reading() as db:
            row = db.execute("SELECT cancel_asked, runner FROM operation WHERE number = ?", (number,)).fetchone()
        return row is None or bool(row[0]) or row[1] != self._engine.runner

    def forget(self, ended_before: float) -> None:
        """Drop operations that ended long ago."""
        with self._engine.writing() as db:
            db.execute("DELETE FROM operation WHERE end_time < ?", (ended_before,))

    @staticmethod
    def _select(db: Database, where: str, values: tuple[object, ...]) -> list[Operation]:
        return [_operation(row) for row in db.execute(f"SELECT {_COLUMNS} FROM operation {where}", values)]


def _operation(row: tuple[Any, ...]) -> Operation:
    values: list[Any] = [*row[:4], State(row[4]), Progress(*row[5:9]), *row[9:-1], bool(row[-1])]
    return Operation(*values)


def _fingerprint(kind: str, store: str, payload: bytes) -> bytes:
    return hashlib.sha256(repr((kind, store, payload)).encode()).digest()


def _open(place: Path | str) -> Engine:
    if isinstance(place, Path):
        return SqliteEngine(place)
    from diana_server.operations.postgres_engine import PostgresEngine

    return PostgresEngine(place)
