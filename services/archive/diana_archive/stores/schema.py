"""The catalogue's tables, the same in SQLite and PostgreSQL, and how one catalogue comes to have them.

Counts and times are kept by triggers (schema_sqlite, schema_postgres), so that no change can forget them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

from diana_archive.stores.sql import Connection
from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid

# State: 0 current, 1 older version, 2 deleted, 3 purged (core.model.State). Rows are never removed:
# the feed refers to them. Headers lie apart, so that lists read small rows.
_FIRST = """
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
"""

# What doors tell of a study's completeness, which may come before the study: a row a study. The index is for what
# deletes studies by their age; those that are still open have study_open.
_EVIDENCE = """
CREATE TABLE evidence(
  store_id INTEGER NOT NULL REFERENCES store(id), study_uid TEXT NOT NULL, record_us INTEGER NOT NULL,
  spent INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY(store_id, study_uid));
CREATE INDEX evidence_by_time ON evidence(store_id, record_us);
CREATE INDEX study_done ON study(store_id, arrival_us) WHERE complete = 1 AND instance_count > 0;
"""

STEPS: tuple[str, ...] = (_FIRST, _EVIDENCE)
"""The tables of version 1, then what each later version adds: statements in SQLite's words (types INTEGER, TEXT, BLOB,
REAL; WITHOUT ROWID), each ended by ";" at a line's end. A step that was released is never changed."""

VERSION = len(STEPS)

OLDEST = 2
"""Catalogues before that name objects otherwise than files do today; none was released."""


def statements(after: int, types: Mapping[str, str], triggers: str) -> str:
    """What makes a catalogue of version `after` (0: an empty database) one of today's, as one script.

    `types` says what to write for SQLite's words; `triggers` come with the first version.
    """
    script = "".join(STEPS[after:])
    for word, other in types.items():
        script = script.replace(word, other)
    mark = f"INSERT INTO meta VALUES('schema', '{VERSION}') ON CONFLICT(key) DO UPDATE SET value = '{VERSION}';"
    return script + (triggers if after == 0 else "") + mark


def check_version(version: int) -> None:
    """0 is none yet. Raises DianaError STORE_SCHEMA_NEWER, CONFIG_INVALID."""
    if 0 < version < OLDEST:
        raise config_invalid(
            "state_dir", "the catalogue is older than 0.1.0; move catalogue.* away and have it made anew by `rebuild`"
        )
    if version > VERSION:
        raise DianaError(Reason.STORE_SCHEMA_NEWER, "The archive's catalogue was written by a newer version.")


def fill(connection: Connection, stores: Iterable[str], least_number: int) -> dict[str, int]:
    """Write what a new catalogue has of its own, and those stores, where they are not there; all stores' row ids.

    Numbers are given from `least_number` on, or above those that were given.
    """
    start = {
        "epoch": new_epoch(),
        "next_object_id": "1",
        "token": secrets.token_hex(16),
        "next_number": "1",
        "whole": "1",
        "line": "",
    }
    for pair in start.items():
        connection.execute("INSERT INTO meta(key, value) VALUES(?, ?) ON CONFLICT DO NOTHING", pair)
    connection.execute(
        "UPDATE meta SET value = CAST(?1 AS TEXT) WHERE key = 'next_number' AND CAST(value AS BIGINT) < ?1",
        (least_number,),
    )
    for name in stores:
        connection.execute("INSERT INTO store(name) VALUES(?) ON CONFLICT DO NOTHING", (name,))
    return dict(connection.execute("SELECT name, id FROM store").fetchall())


def new_epoch() -> str:
    """A name for a run of positions: 8 hexadecimal digits."""
    return secrets.token_hex(4)


def renew_epoch(connection: Connection) -> str:
    """Open another epoch; its name."""
    epoch = new_epoch()
    write_meta(connection, "epoch", epoch)
    return epoch


def read_meta(connection: Connection, key: str) -> str:
    """One of the catalogue's own settings."""
    return str(connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])


def write_meta(connection: Connection, key: str, value: str) -> None:
    """Change one of them."""
    connection.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
