"""The ledger in SQLite: one file, one writer, durable at every change."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid
from diana_common.state_files import make_directory, make_private_file
from diana_notify.core.ledger import RequestMark
from diana_notify.core.model import Delivery, Message, Parcel, Recipient, State, Transport
from diana_notify.stores.schema import DELIVERY, SCHEMA, SCHEMA_VERSION, WAITING

_PAST_ALL = 1 << 62


class SqliteLedger:
    """core.ledger.Ledger in a file; for one process at a time."""

    def __init__(self, path: Path) -> None:
        """Made, for its owner only, if absent. Raises DianaError STORE_SCHEMA_NEWER, CONFIG_INVALID, DISK_FULL."""
        self._lock = threading.Lock()
        try:
            make_directory(path.parent)
            make_private_file(path)
            self._db = _opened(path)
        except OSError as error:
            raise config_invalid("state_dir", f"the directory cannot be used ({error.strerror})") from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def requested(self, mark: RequestMark) -> list[Delivery] | None:
        """See Ledger."""
        with self._reading() as db:
            return _requested(db, mark)

    def add(self, messages: Sequence[Message], now: float, mark: RequestMark | None = None) -> list[Delivery]:
        """See Ledger."""
        with self._transaction() as db:
            if mark:
                if (known := _requested(db, mark)) is not None:
                    return known
                db.execute("INSERT INTO request VALUES (?, ?, ?)", (mark.request_id, mark.digest, now))
            return [_insert(db, message, now, mark) for message in messages]

    def add_followed(self, messages: Sequence[Message], now: float, position: str) -> None:
        """See Ledger."""
        with self._transaction() as db:
            for message in messages:
                _insert(db, message, now, None)
            db.execute("INSERT OR REPLACE INTO feed VALUES (1, ?)", (position,))

    def position(self) -> str | None:
        """See Ledger."""
        with self._reading() as db:
            row = db.execute("SELECT position FROM feed").fetchone()
        return row[0] if row else None

    def forget_position(self) -> None:
        """See Ledger."""
        with self._transaction() as db:
            db.execute("DELETE FROM feed")

    def get(self, name: str) -> Delivery:
        """See Ledger."""
        with self._reading() as db:
            found = _select(db, "WHERE name = ?", (name,))
        if not found:
            raise DianaError(Reason.DELIVERY_NOT_FOUND, "There is no delivery of that name here.")
        return found[0]

    def page(self, before: int | None, size: int, state: State | None, channel: str) -> list[Delivery]:
        """See Ledger."""
        where, values = "WHERE number < ?", [_PAST_ALL if before is None else before]
        conditions: list[tuple[str, Any]] = [("state", state and state.value), ("channel", channel)]
        for column, value in conditions:
            if value:
                where += f" AND {column} = ?"
                values.append(value)
        with self._reading() as db:
            return _select(db, f"{where} ORDER BY number DESC LIMIT ?", (*values, size))

    def waiting(self, but: Collection[int]) -> list[tuple[str, float]]:
        """See Ledger."""
        with self._reading() as db:
            return db.execute(WAITING, (json.dumps(list(but)),)).fetchall()

    def next_for(self, target: str, now: float, but: Collection[int]) -> Parcel | None:
        """See Ledger."""
        with self._reading() as db:
            row = db.execute(
                f"SELECT target, subject, body, {DELIVERY} FROM delivery WHERE state = 1 AND target = ?"
                " AND due_time <= ? AND number NOT IN (SELECT value FROM json_each(?))"
                " ORDER BY due_time, number LIMIT 1",
                (target, now, json.dumps(list(but))),
            ).fetchone()
        return Parcel(_delivery(row[3:]), *row[:3]) if row else None

    def succeeded(self, piece: Parcel, now: float) -> None:
        """See Ledger. The text is dropped: nobody needs it any more."""
        with self._transaction() as db:
            db.execute(
                "UPDATE delivery SET state = ?, attempts = attempts + 1, due_time = NULL, end_time = ?, subject = '',"
                " body = '' WHERE number = ?",
                (State.SENT.value, now, piece.delivery.number),
            )

    def dead(self, piece: Parcel, why: str, now: float) -> None:
        """See Ledger."""
        with self._transaction() as db:
            db.execute(
                "UPDATE delivery SET state = ?, attempts = attempts + 1, due_time = NULL, end_time = ?, last_error = ?"
                " WHERE number = ? AND state = 1",
                (State.DEAD.value, now, why, piece.delivery.number),
            )

    def failed(self, piece: Parcel, why: str, due_time: float) -> None:
        """See Ledger."""
        with self._transaction() as db:
            db.execute(
                "UPDATE delivery SET attempts = attempts + 1, last_error = ?, due_time = ?"
                " WHERE number = ? AND state = 1",
                (why, due_time, piece.delivery.number),
            )

    def bury(self, target: str, created_before: float, why: str, now: float) -> int:
        """See Ledger."""
        with self._transaction() as db:
            return db.execute(
                "UPDATE delivery SET state = ?, last_error = ?, due_time = NULL, end_time = ?"
                " WHERE state = 1 AND target = ? AND create_time <= ?",
                (State.DEAD.value, why, now, target, created_before),
            ).rowcount

    def forget(self, ended_before: float) -> None:
        """See Ledger."""
        with self._transaction() as db:
            db.execute("DELETE FROM delivery WHERE state > 1 AND end_time < ?", (ended_before,))
            db.execute(
                "DELETE FROM request WHERE create_time < ? AND request_id NOT IN"
                " (SELECT request_id FROM delivery WHERE request_id IS NOT NULL)",
                (ended_before,),
            )

    def count_queued(self) -> int:
        """See Ledger."""
        with self._reading() as db:
            return int(db.execute("SELECT count(*) FROM delivery WHERE state = 1").fetchone()[0])

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise _typed(error) from error
            finally:
                # A full disk ends some transactions by itself, and leaves others open when it is the commit that fails.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def _opened(path: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise DianaError(Reason.STORE_SCHEMA_NEWER, f"{path.name} has schema {version}, newer than this version's.")
        if version == 0:
            db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        return db
    except sqlite3.OperationalError as error:
        raise _typed(error) from error
    except sqlite3.DatabaseError:
        raise DianaError(Reason.STORE_DAMAGED, "state_dir: the ledger cannot be read.") from None


def _typed(error: sqlite3.OperationalError) -> Exception:
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL"):
        return DianaError(Reason.DISK_FULL, "The ledger's disk is full; nothing was queued.")
    return error


def _requested(db: sqlite3.Connection, mark: RequestMark) -> list[Delivery] | None:
    row = db.execute("SELECT digest FROM request WHERE request_id = ?", (mark.request_id,)).fetchone()
    if row is None:
        return None
    if row[0] != mark.digest:
        raise DianaError(Reason.REQUEST_ID_REUSED, "Another request was made under this request_id.")
    return _select(db, "WHERE request_id = ? ORDER BY number", (mark.request_id,))


def _insert(db: sqlite3.Connection, message: Message, now: float, mark: RequestMark | None) -> Delivery:
    values = {
        "name": f"deliveries/{secrets.token_hex(16)}",
        "transport": message.recipient.transport.value,
        "address": message.recipient.address,
        "channel": message.channel,
        "rule": message.rule,
        "create_time": now,
        "due_time": now,
        "target": message.target,
        "subject": message.subject,
        "body": message.body,
        "request_id": mark.request_id if mark else None,
    }
    marks = ", ".join(f":{column}" for column in values)
    row = db.execute(
        f"INSERT INTO delivery ({', '.join(values)}) VALUES ({marks}) RETURNING {DELIVERY}", values
    ).fetchone()
    return _delivery(row)


def _select(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[Delivery]:
    return [_delivery(row) for row in db.execute(f"SELECT {DELIVERY} FROM delivery {where}", values)]


def _delivery(row: Sequence[Any]) -> Delivery:
    number, name, state, transport, address, *rest = row
    recipient = Recipient(Transport(transport), address)
    return Delivery(number, name, State(state), recipient, *rest)
