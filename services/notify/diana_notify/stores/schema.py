"""The tables of the ledger."""

from __future__ import annotations

# Indexes hold a state's number literally, or SQLite could not use them as partial ones.
_FIRST = """
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

# `digest` is the name that a delivery goes under with others; one of them `leads`, and stands for all.
# `gather_seconds` is above zero while it waits for others, and `envelope` is what a digest is put into. `change` is the
# number of a delivery's last change, larger than that of any change before.
_DIGESTS = """
DROP INDEX waiting;
ALTER TABLE delivery ADD COLUMN digest TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN leads INTEGER NOT NULL DEFAULT 1;
ALTER TABLE delivery ADD COLUMN gather_seconds REAL NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN envelope TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
CREATE INDEX waiting ON delivery (target, due_time, number) WHERE state = 1 AND leads = 1;
CREATE INDEX gathering ON delivery (transport, address, number) WHERE state = 1 AND gather_seconds > 0;
CREATE INDEX by_digest ON delivery (digest) WHERE digest <> '';
CREATE INDEX by_change ON delivery (change, number);
"""

STEPS = (_FIRST, _DIGESTS)
"""What leads from each version of the file to the next one."""

DELIVERY = (
    "number, name, state, transport, address, channel, rule, attempts, last_error, create_time, due_time, end_time,"
    " digest"
)
"""A delivery's columns, in the order of `core.model.Delivery`."""

# Each target is found by a step along the index, however many deliveries wait for it.
WAITING = """
WITH RECURSIVE found (place) AS (
    SELECT min(target) FROM delivery INDEXED BY waiting WHERE state = 1 AND leads = 1
    UNION ALL
    SELECT (SELECT min(target) FROM delivery INDEXED BY waiting WHERE state = 1 AND leads = 1 AND target > place)
    FROM found WHERE place IS NOT NULL
)
SELECT place, (
    SELECT due_time FROM delivery INDEXED BY waiting
    WHERE state = 1 AND leads = 1 AND target = place AND number NOT IN (SELECT value FROM json_each(?))
    ORDER BY due_time, number LIMIT 1
) AS due FROM found WHERE place IS NOT NULL AND due IS NOT NULL
"""

NEXT = f"""
SELECT gather_seconds, envelope, target, subject, body, {DELIVERY} FROM delivery INDEXED BY waiting
WHERE state = 1 AND leads = 1 AND target = ? AND due_time <= ? AND number NOT IN (SELECT value FROM json_each(?))
ORDER BY due_time, number LIMIT 1
"""
"""What is due first for a target."""

GATHERING = """
SELECT number, length(CAST(subject AS BLOB)) + length(CAST(body AS BLOB)) FROM delivery INDEXED BY gathering
WHERE state = 1 AND gather_seconds > 0 AND transport = ? AND address = ? ORDER BY number LIMIT ?
"""
"""What waits for a recipient's next digest: numbers and sizes of texts."""

OPEN_UNTIL = """
SELECT due_time FROM delivery INDEXED BY gathering
WHERE state = 1 AND gather_seconds > 0 AND transport = ? AND address = ? ORDER BY number LIMIT 1
"""
"""When a recipient's next digest goes, if something waits for it."""
