"""The tables of the ledger."""

from __future__ import annotations

SCHEMA_VERSION = 1
"""Counts up when a newer program writes what an older one cannot read."""

# `waiting` and `ended` hold a state's number literally, or SQLite could not use them as partial indexes.
SCHEMA = """
CREATE TABLE delivery (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    state INTEGER NOT NULL DEFAULT 1,
    transport INTEGER NOT NULL,
    address TEXT NOT NULL,
    channel TEXT NOT NULL,
    rule TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    create_time REAL NOT NULL,
    due_time REAL,
    end_time REAL,
    target TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    request_id TEXT
);
CREATE INDEX waiting ON delivery (target, due_time, number) WHERE state = 1;
CREATE INDEX ended ON delivery (end_time) WHERE state > 1;
CREATE INDEX by_state ON delivery (state, number);
CREATE INDEX by_channel ON delivery (channel, number);
CREATE INDEX by_request ON delivery (request_id) WHERE request_id IS NOT NULL;
CREATE TABLE request (
    request_id TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    create_time REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE feed (one INTEGER PRIMARY KEY CHECK (one = 1), position TEXT NOT NULL);
"""

DELIVERY = (
    "number, name, state, transport, address, channel, rule, attempts, last_error, create_time, due_time, end_time"
)
"""A delivery's columns, in the order of `core.model.Delivery`."""

# Each target is found by a step along the index, however many deliveries wait for it.
WAITING = """
WITH RECURSIVE found (place) AS (
    SELECT min(target) FROM delivery INDEXED BY waiting WHERE state = 1
    UNION ALL
    SELECT (SELECT min(target) FROM delivery INDEXED BY waiting WHERE state = 1 AND target > place)
    FROM found WHERE place IS NOT NULL
)
SELECT place, (
    SELECT due_time FROM delivery
    WHERE state = 1 AND target = place AND number NOT IN (SELECT value FROM json_each(?))
    ORDER BY due_time, number LIMIT 1
) AS due FROM found WHERE place IS NOT NULL AND due IS NOT NULL
"""
