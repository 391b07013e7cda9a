"""The tables of the journal."""

from __future__ import annotations

# Partial indexes hold a state's number literally, or SQLite could not use them. `item`, `trail` and `steps` are JSON;
# of steps, the one numbered `step` is next, and `target` is its own. A job whose `occasion` is NULL is in the way of no
# other.
_FIRST = """
CREATE TABLE job (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    rule TEXT NOT NULL,
    digest TEXT NOT NULL,
    item_key TEXT NOT NULL,
    item TEXT NOT NULL,
    trail TEXT NOT NULL,
    occasion TEXT,
    state INTEGER NOT NULL DEFAULT 1,
    step INTEGER NOT NULL DEFAULT 0,
    steps TEXT NOT NULL,
    target TEXT NOT NULL,
    due_time REAL,
    create_time REAL NOT NULL,
    waiting_since REAL NOT NULL,
    end_time REAL,
    stored_count INTEGER NOT NULL DEFAULT 0,
    refused_count INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX once ON job (item_key, rule, occasion) WHERE occasion IS NOT NULL;
CREATE INDEX by_item ON job (item_key, number);
CREATE INDEX waiting ON job (target, due_time, number) WHERE state = 1;
CREATE INDEX ended ON job (end_time) WHERE state > 1;
CREATE INDEX by_state ON job (state, number);
CREATE INDEX by_rule ON job (rule, number);
CREATE INDEX by_rule_and_state ON job (rule, state, number);

CREATE TABLE tally (
    rule TEXT NOT NULL, state INTEGER NOT NULL, jobs INTEGER NOT NULL, PRIMARY KEY (rule, state)
) WITHOUT ROWID;
CREATE TRIGGER job_made AFTER INSERT ON job BEGIN
    INSERT INTO tally VALUES (new.rule, new.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER job_moved AFTER UPDATE OF state ON job WHEN new.state <> old.state BEGIN
    UPDATE tally SET jobs = jobs - 1 WHERE rule = old.rule AND state = old.state;
    INSERT INTO tally VALUES (new.rule, new.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER job_forgotten AFTER DELETE ON job BEGIN
    UPDATE tally SET jobs = jobs - 1 WHERE rule = old.rule AND state = old.state;
END;

CREATE TABLE credit (operation TEXT PRIMARY KEY, job INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX credited ON credit (job);
CREATE TABLE cursor (source TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE led (
    store TEXT NOT NULL, study_uid TEXT NOT NULL, trail TEXT NOT NULL, PRIMARY KEY (store, study_uid)
) WITHOUT ROWID;
CREATE TABLE found (source TEXT NOT NULL, study_uid TEXT NOT NULL, PRIMARY KEY (source, study_uid)) WITHOUT ROWID;
CREATE TABLE file (
    rule TEXT NOT NULL, path TEXT NOT NULL, stamp TEXT NOT NULL, PRIMARY KEY (rule, path)
) WITHOUT ROWID;
CREATE TABLE stopped (rule TEXT PRIMARY KEY, why TEXT NOT NULL, configuration TEXT NOT NULL) WITHOUT ROWID;
"""

_SUCCESSORS = "ALTER TABLE job ADD COLUMN successor TEXT;"

_CLAIMS = """
CREATE TABLE claim (
    store TEXT NOT NULL, study_uid TEXT NOT NULL, attributes TEXT NOT NULL, job INTEGER NOT NULL,
    PRIMARY KEY (store, study_uid)
) WITHOUT ROWID;
CREATE INDEX claimed ON claim (job);
"""

SCHEMA = (_FIRST, _SUCCESSORS, _CLAIMS)
"""What leads to the newest schema, a step a version."""

BY_ITEM = "INDEXED BY by_item"
"""For statements about the jobs of one item: left to itself, SQLite goes through all jobs of the rule."""

# Each target is found by a step along the index, however many jobs wait for it.
WAITING = """
WITH RECURSIVE found (place) AS (
    SELECT min(target) FROM job INDEXED BY waiting WHERE state = 1
    UNION ALL
    SELECT (SELECT min(target) FROM job INDEXED BY waiting WHERE state = 1 AND target > place)
    FROM found WHERE place IS NOT NULL
)
SELECT place, (
    SELECT due_time FROM job INDEXED BY waiting
    WHERE state = 1 AND target = place AND number NOT IN (SELECT value FROM json_each(?))
    ORDER BY due_time, number LIMIT 1
) AS due FROM found WHERE place IS NOT NULL AND due IS NOT NULL
"""

BURY = """
UPDATE job INDEXED BY waiting SET state = :dead, due_time = NULL, end_time = :now,
    steps = json_set(steps, '$[' || step || '].error', :why, '$[' || step || '].memo', '')
WHERE state = 1 AND target = :target AND waiting_since <= :before RETURNING number
"""
