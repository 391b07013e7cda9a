"""What is tried next: a message, or a digest that is formed here, durably before anybody tries it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import replace
from itertools import accumulate

from diana_notify.core.digests import MAX_MEMBERS, MAX_TEXT_BYTES, Part, combined
from diana_notify.core.model import Delivery, Parcel
from diana_notify.stores.rows import delivery_of, select
from diana_notify.stores.schema import GATHERING, NEXT


def next_parcel(db: sqlite3.Connection, target: str, now: float, but: Collection[int]) -> Parcel | Delivery | None:
    """What is due first for a target: a parcel, or the first message of a digest that is to be formed."""
    row = db.execute(NEXT, (target, now, json.dumps(list(but)))).fetchone()
    if row is None:
        return None
    (gathering, envelope, target, subject, body), delivery = row[:5], delivery_of(row[5:])
    if gathering:
        return delivery
    if delivery.digest:
        return digest_parcel(db, delivery)
    return Parcel(delivery, target, *combined([Part(subject, body, envelope)]))


def form(db: sqlite3.Connection, first: Delivery, change: int) -> None:
    """Close the digest that begins with a message: from now on it is known who goes with it."""
    recipient = first.recipient
    rows = db.execute(GATHERING, (recipient.transport.value, recipient.address, MAX_MEMBERS)).fetchall()
    if not rows:  # all were cancelled meanwhile
        return
    fitting = sum(size <= MAX_TEXT_BYTES for size in accumulate(row[1] for row in rows))
    members = [row[0] for row in rows[: max(fitting, 1)]]
    name = select(db, "WHERE number = ?", (members[0],))[0].name if len(members) > 1 else ""
    db.execute(
        "UPDATE delivery SET gather_seconds = 0, digest = ?, leads = (number = ?), change = ?"
        " WHERE number IN (SELECT value FROM json_each(?))",
        (name, members[0], change, json.dumps(members)),
    )


def digest_parcel(db: sqlite3.Connection, first: Delivery) -> Parcel:
    """A digest's messages as one, under the first one's name."""
    rows = db.execute(
        "SELECT number, target, subject, body, envelope FROM delivery"
        " WHERE digest = ? AND digest <> '' AND state = 1 ORDER BY number",
        (first.digest,),
    ).fetchall()
    subject, body = combined([Part(*row[2:]) for row in rows])
    return Parcel(replace(first, name=first.digest), rows[0][1], subject, body, tuple(row[0] for row in rows))
