"""Deliveries as rows: read, added, and changed, inside a transaction of somebody else's."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_notify.core.ledger import RequestMark
from diana_notify.core.model import Delivery, Message, Recipient, State, Transport
from diana_notify.stores.schema import DELIVERY, OPEN_UNTIL


def requested(db: sqlite3.Connection, mark: RequestMark) -> list[Delivery] | None:
    """What was queued under a request's id; None if nothing was. Raises REQUEST_ID_REUSED."""
    row = db.execute("SELECT digest FROM request WHERE request_id = ?", (mark.request_id,)).fetchone()
    if row is None:
        return None
    if row[0] != mark.digest:
        raise DianaError(Reason.REQUEST_ID_REUSED, "Another request was made under this request_id.")
    return select(db, "WHERE request_id = ? ORDER BY number", (mark.request_id,))


def insert(db: sqlite3.Connection, message: Message, now: float, change: int, mark: RequestMark | None) -> Delivery:
    """Queue a message. One for a digest waits as long as those that are there already."""
    values = {
        "name": f"deliveries/{secrets.token_hex(16)}",
        "transport": message.recipient.transport.value,
        "address": message.recipient.address,
        "channel": message.channel,
        "rule": message.rule,
        "create_time": now,
        "due_time": _due(db, message, now),
        "target": message.target,
        "subject": message.subject,
        "body": message.body,
        "request_id": mark.request_id if mark else None,
        "gather_seconds": message.digest_seconds,
        "envelope": message.envelope,
        "change": change,
    }
    marks = ", ".join(f":{column}" for column in values)
    row = db.execute(
        f"INSERT INTO delivery ({', '.join(values)}) VALUES ({marks}) RETURNING {DELIVERY}", values
    ).fetchone()
    return delivery_of(row)


def _due(db: sqlite3.Connection, message: Message, now: float) -> float:
    if not message.digest_seconds:
        return now
    row = db.execute(OPEN_UNTIL, (message.recipient.transport.value, message.recipient.address)).fetchone()
    return min(row[0], now + message.digest_seconds) if row else now + message.digest_seconds


def named(db: sqlite3.Connection, name: str) -> Delivery:
    """Raises DELIVERY_NOT_FOUND."""
    found = select(db, "WHERE name = ?", (name,))
    if not found:
        raise DianaError(Reason.DELIVERY_NOT_FOUND, "There is no delivery of that name here.")
    return found[0]


def numbers_with(db: sqlite3.Connection, delivery: Delivery) -> list[int]:
    """The delivery's number, and those of all that share its digest."""
    if not delivery.digest:
        return [delivery.number]
    rows = db.execute("SELECT number FROM delivery WHERE digest = ? AND digest <> ''", (delivery.digest,))
    return [row[0] for row in rows]


def update(
    db: sqlite3.Connection, numbers: Collection[int], values: dict[str, Any], change: int, only: State | None = None
) -> None:
    """Set columns of deliveries, of those in a state only if told, as one change."""
    columns = ", ".join(f"{column} = ?" for column in values)
    where = f" AND state = {only.value}" if only else ""
    db.execute(
        f"UPDATE delivery SET {columns}, change = ? WHERE number IN (SELECT value FROM json_each(?)){where}",
        (*values.values(), change, json.dumps(list(numbers))),
    )


def select(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[Delivery]:
    """The deliveries that a clause finds."""
    return [delivery_of(row) for row in db.execute(f"SELECT {DELIVERY} FROM delivery {where}", values)]


def delivery_of(row: Sequence[Any]) -> Delivery:
    """A row of the columns DELIVERY."""
    number, name, state, transport, address, *rest = row
    return Delivery(number, name, State(state), Recipient(Transport(transport), address), *rest)
