"""The ledger in SQLite: one file, one writer, durable at every change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from diana_common.errors import DianaError, Reason
from diana_notify.core.ledger import RequestMark
from diana_notify.core.model import Delivery, Message, Parcel, State
from diana_notify.core.watching import Changes
from diana_notify.stores.database import Database
from diana_notify.stores.parcels import form, next_parcel
from diana_notify.stores.rows import delivery_of, insert, named, numbers_with, requested, select, update
from diana_notify.stores.schema import DELIVERY, STEPS, WAITING

_PAST_ALL = 1 << 62
_ENDED = {"due_time": None, "gather_seconds": 0}
T = TypeVar("T")


class SqliteLedger:
    """core.ledger.Ledger in a file; for one process at a time."""

    def __init__(self, path: Path, changes: Changes | None = None) -> None:
        """Made, for its owner only, if absent; `changes` is told of every change.

        Raises DianaError STORE_SCHEMA_NEWER, STORE_DAMAGED, CONFIG_INVALID, DISK_FULL.
        """
        self._changes = changes or Changes()
        self._db = Database(path, STEPS, lambda: self._changes.publish(self._change))
        with self._db.look() as db:
            self._change = db.execute("SELECT coalesce(max(change), 0) FROM delivery").fetchone()[0]
        self._changes.publish(self._change)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def requested(self, mark: RequestMark) -> list[Delivery] | None:
        """See Ledger."""
        with self._db.look() as db:
            return requested(db, mark)

    def add(self, messages: Sequence[Message], now: float, mark: RequestMark | None = None) -> list[Delivery]:
        """See Ledger."""

        def write(db: sqlite3.Connection, change: int) -> list[Delivery]:
            if mark:
                if (known := requested(db, mark)) is not None:
                    return known
                db.execute("INSERT INTO request VALUES (?, ?, ?)", (mark.request_id, mark.digest, now))
            return [insert(db, message, now, change, mark) for message in messages]

        return self._write(write)

    def add_followed(self, messages: Sequence[Message], now: float, position: str) -> None:
        """See Ledger."""

        def write(db: sqlite3.Connection, change: int) -> None:
            for message in messages:
                insert(db, message, now, change, None)
            db.execute("INSERT OR REPLACE INTO feed VALUES (1, ?)", (position,))

        self._write(write)

    def position(self) -> str | None:
        """See Ledger."""
        with self._db.look() as db:
            row = db.execute("SELECT position FROM feed").fetchone()
        return row[0] if row else None

    def forget_position(self) -> None:
        """See Ledger."""
        self._write(lambda db, _: db.execute("DELETE FROM feed"))

    def get(self, name: str) -> Delivery:
        """See Ledger."""
        with self._db.look() as db:
            return named(db, name)

    def page(self, before: int | None, size: int, state: State | None, channel: str) -> list[Delivery]:
        """See Ledger."""
        where, values = "WHERE number < ?", [_PAST_ALL if before is None else before]
        conditions: list[tuple[str, Any]] = [("state", state and state.value), ("channel", channel)]
        for column, value in conditions:
            if value:
                where += f" AND {column} = ?"
                values.append(value)
        with self._db.look() as db:
            return select(db, f"{where} ORDER BY number DESC LIMIT ?", (*values, size))

    def queued_after(self, number: int, channel: str, size: int) -> list[Delivery]:
        """See Ledger."""
        where = "WHERE state = 1 AND number > ? AND (? = '' OR channel = ?) ORDER BY number LIMIT ?"
        with self._db.look() as db:
            return select(db, where, (number, channel, channel, size))

    def changed_after(self, place: tuple[int, int], channel: str, size: int) -> list[tuple[int, Delivery]]:
        """See Ledger."""
        with self._db.look() as db:
            rows = db.execute(
                f"SELECT change, {DELIVERY} FROM delivery INDEXED BY by_change WHERE (change, number) > (?, ?)"
                " AND (? = '' OR channel = ?) ORDER BY change, number LIMIT ?",
                (*place, channel, channel, size),
            ).fetchall()
        return [(row[0], delivery_of(row[1:])) for row in rows]

    def hasten(self, latest: float) -> None:
        """Let nothing wait beyond a time, a digest for as long as it gathers besides: what does was put off while the
        clock was ahead."""
        where = "state = 1 AND due_time > ? + gather_seconds"
        statement = f"UPDATE delivery SET due_time = ? + gather_seconds WHERE {where}"
        self._write(lambda db, _: db.execute(statement, (latest, latest)))

    def waiting(self, but: Collection[int]) -> list[tuple[str, float]]:
        """See Ledger."""
        with self._db.look() as db:
            return db.execute(WAITING, (json.dumps(list(but)),)).fetchall()

    def next_for(self, target: str, now: float, but: Collection[int]) -> Parcel | None:
        """See Ledger. A digest whose time has come is formed first."""
        while True:
            with self._db.look() as db:
                found = next_parcel(db, target, now, but)
            if not isinstance(found, Delivery):
                return found
            self._form(found)

    def _form(self, first: Delivery) -> None:
        self._write(lambda db, change: form(db, first, change))

    def succeeded(self, piece: Parcel, now: float) -> None:
        """See Ledger. The text is dropped: nobody needs it any more."""
        self._tried(piece, None, _ENDED, state=State.SENT.value, end_time=now, subject="", body="", envelope="")

    def dead(self, piece: Parcel, why: str, now: float) -> None:
        """See Ledger."""
        self._tried(piece, State.QUEUED, _ENDED, state=State.DEAD.value, end_time=now, last_error=why)

    def failed(self, piece: Parcel, why: str, due_time: float) -> None:
        """See Ledger."""
        self._tried(piece, State.QUEUED, {}, last_error=why, due_time=due_time)

    def _tried(self, piece: Parcel, only: State | None, ended: dict[str, Any], **values: Any) -> None:
        values = {**ended, **values, "attempts": piece.attempt_count + 1}
        self._write(lambda db, change: update(db, piece.numbers, values, change, only))

    def bury(self, target: str, created_before: float, why: str, now: float) -> int:
        """See Ledger. A digest ends with its first message."""

        def write(db: sqlite3.Connection, change: int) -> int:
            rows = db.execute(
                "SELECT number FROM delivery WHERE state = 1 AND target = ?1 AND (create_time <= ?2 OR digest IN ("
                " SELECT digest FROM delivery WHERE state = 1 AND leads = 1 AND target = ?1 AND create_time <= ?2"
                " AND digest <> ''))",
                (target, created_before),
            )
            numbers = [row[0] for row in rows]
            update(db, numbers, {**_ENDED, "state": State.DEAD.value, "last_error": why, "end_time": now}, change)
            return len(numbers)

        return self._write(write)

    def replay(self, name: str, now: float) -> Delivery:
        """See Ledger."""
        again = {"state": State.QUEUED.value, "attempts": 0, "last_error": "", "end_time": None}
        values = {**again, "create_time": now, "due_time": now, "gather_seconds": 0}
        return self._turn(name, State.QUEUED, (State.DEAD, State.CANCELLED), values, "It was sent; send a new message.")

    def cancel(self, name: str, now: float) -> Delivery:
        """See Ledger."""
        values = {**_ENDED, "state": State.CANCELLED.value, "end_time": now}
        return self._turn(name, State.CANCELLED, (State.QUEUED,), values, "It was sent, or given up.")

    def _turn(self, name: str, to: State, of: Sequence[State], values: dict[str, Any], refusal: str) -> Delivery:
        """A delivery, and all of its digest, from one of some states into another."""

        def write(db: sqlite3.Connection, change: int) -> Delivery:
            delivery = named(db, name)
            if delivery.state is to:
                return delivery
            if delivery.state not in of:
                raise DianaError(Reason.DELIVERY_ENDED, refusal)
            update(db, numbers_with(db, delivery), values, change)
            return named(db, name)

        return self._write(write)

    def forget(self, ended_before: float) -> None:
        """See Ledger."""

        def write(db: sqlite3.Connection, _: int) -> None:
            db.execute("DELETE FROM delivery WHERE state > 1 AND end_time < ?", (ended_before,))
            db.execute(
                "DELETE FROM request WHERE create_time < ? AND request_id NOT IN"
                " (SELECT request_id FROM delivery WHERE request_id IS NOT NULL)",
                (ended_before,),
            )

        self._write(write)

    def count_queued(self) -> int:
        """See Ledger."""
        with self._db.look() as db:
            return int(db.execute("SELECT count(*) FROM delivery WHERE state = 1").fetchone()[0])

    def _write(self, write: Callable[[sqlite3.Connection, int], T]) -> T:
        """Change something, with the number of this change."""

        def change(db: sqlite3.Connection) -> T:
            self._change += 1
            return write(db, self._change)

        return self._db.change(change)
