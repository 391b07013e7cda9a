"""The catalogue's tables. Counts and times are kept by triggers, so that no change can forget them."""

from __future__ import annotations

import secrets
import sqlite3

from diana_common.errors import DianaError, Reason

VERSION = 1

# State: 0 current, 1 older version, 2 deleted, 3 purged (core.model.State). Rows are never removed:
# the feed refers to them. Headers lie apart, so that lists read small rows.
_TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE store(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  study_count INTEGER NOT NULL DEFAULT 0, series_count INTEGER NOT NULL DEFAULT 0,
  instance_count INTEGER NOT NULL DEFAULT 0, size_bytes INTEGER NOT NULL DEFAULT 0,
  hidden_count INTEGER NOT NULL DEFAULT 0, hidden_bytes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE study(
  id INTEGER PRIMARY KEY, store_id INTEGER NOT NULL REFERENCES store(id), study_uid TEXT NOT NULL,
  series_count INTEGER NOT NULL DEFAULT 0, instance_count INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
  arrival_us INTEGER NOT NULL, complete INTEGER NOT NULL DEFAULT 0,
  attributes TEXT NOT NULL DEFAULT '{}', sealed_keys TEXT NOT NULL DEFAULT '[]',
  UNIQUE(store_id, study_uid));
CREATE INDEX study_open ON study(store_id, arrival_us) WHERE complete = 0 AND instance_count > 0;
CREATE TABLE series(
  id INTEGER PRIMARY KEY, study_id INTEGER NOT NULL REFERENCES study(id), series_uid TEXT NOT NULL,
  instance_count INTEGER NOT NULL DEFAULT 0, size_bytes INTEGER NOT NULL DEFAULT 0,
  UNIQUE(study_id, series_uid));
CREATE TABLE instance(
  id INTEGER PRIMARY KEY, store_id INTEGER NOT NULL REFERENCES store(id),
  series_id INTEGER NOT NULL REFERENCES series(id), sop_uid TEXT NOT NULL, sop_class_uid TEXT NOT NULL,
  transfer_syntax_uid TEXT NOT NULL, size_bytes INTEGER NOT NULL, data_set_offset INTEGER NOT NULL,
  data_set_sha256 BLOB NOT NULL, prefix_sha256 BLOB NOT NULL, version TEXT NOT NULL,
  state INTEGER NOT NULL DEFAULT 0, store_us INTEGER NOT NULL, delete_us INTEGER,
  sequence INTEGER NOT NULL, header_bytes INTEGER NOT NULL, damaged INTEGER NOT NULL DEFAULT 0);
CREATE INDEX instance_by_uid ON instance(store_id, sop_uid);
CREATE INDEX instance_by_series ON instance(series_id, sop_uid);
CREATE INDEX instance_deleted ON instance(store_id, delete_us) WHERE state = 2;
CREATE TABLE header(instance_id INTEGER PRIMARY KEY REFERENCES instance(id), json BLOB NOT NULL);
CREATE TABLE feed(
  sequence INTEGER PRIMARY KEY, store_id INTEGER NOT NULL REFERENCES store(id), commit_us INTEGER NOT NULL,
  kind INTEGER NOT NULL, instance_id INTEGER, detail TEXT, origin TEXT);
CREATE TABLE unlinkable(instance_id INTEGER PRIMARY KEY REFERENCES instance(id));

CREATE TRIGGER instance_added AFTER INSERT ON instance BEGIN
  UPDATE series SET instance_count = instance_count + 1, size_bytes = size_bytes + NEW.size_bytes
    WHERE id = NEW.series_id;
  UPDATE study SET first_us = iif(instance_count = 1, NEW.store_us, first_us), last_us = NEW.store_us,
      arrival_us = NEW.store_us, complete = 0
    WHERE id = (SELECT study_id FROM series WHERE id = NEW.series_id);
END;
CREATE TRIGGER instance_moved AFTER UPDATE OF state ON instance WHEN OLD.state <> NEW.state BEGIN
  UPDATE series SET instance_count = instance_count + (NEW.state = 0) - (OLD.state = 0),
      size_bytes = size_bytes + NEW.size_bytes * ((NEW.state = 0) - (OLD.state = 0))
    WHERE id = NEW.series_id AND (NEW.state = 0) <> (OLD.state = 0);
  UPDATE store SET hidden_count = hidden_count + (NEW.state IN (1, 2)) - (OLD.state IN (1, 2)),
      hidden_bytes = hidden_bytes + NEW.size_bytes * ((NEW.state IN (1, 2)) - (OLD.state IN (1, 2)))
    WHERE id = NEW.store_id AND (NEW.state IN (1, 2)) <> (OLD.state IN (1, 2));
END;
CREATE TRIGGER series_counted AFTER UPDATE OF instance_count ON series BEGIN
  UPDATE study SET instance_count = instance_count + NEW.instance_count - OLD.instance_count,
      size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes,
      series_count = series_count + (NEW.instance_count > 0) - (OLD.instance_count > 0)
    WHERE id = NEW.study_id;
END;
CREATE TRIGGER study_counted AFTER UPDATE OF instance_count ON study BEGIN
  UPDATE store SET instance_count = instance_count + NEW.instance_count - OLD.instance_count,
      size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes,
      series_count = series_count + NEW.series_count - OLD.series_count,
      study_count = study_count + (NEW.instance_count > 0) - (OLD.instance_count > 0)
    WHERE id = NEW.store_id;
END;
"""


def is_new(connection: sqlite3.Connection) -> bool:
    """Whether the file holds no catalogue yet."""
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables, or check that they are ours. Raises DianaError STORE_SCHEMA_NEWER."""
    if is_new(connection):
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} INSERT INTO meta VALUES('schema', '{VERSION}'); COMMIT;")
    elif int(read_meta(connection, "schema")) > VERSION:
        raise DianaError(Reason.STORE_SCHEMA_NEWER, "The archive's catalogue was written by a newer version.")
    with_defaults = {"epoch": new_epoch(), "next_object_id": "1", "token": secrets.token_hex(16)}
    connection.executemany("INSERT OR IGNORE INTO meta VALUES(?, ?)", with_defaults.items())


def new_epoch() -> str:
    """A name for a run of positions: 8 hexadecimal digits."""
    return secrets.token_hex(4)


def read_meta(connection: sqlite3.Connection, key: str) -> str:
    """One of the catalogue's own settings."""
    return str(connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])


def write_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Change one of them."""
    connection.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
