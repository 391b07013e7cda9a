"""The tables of operations, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from diana_common.errors import DianaError, Reason

if TYPE_CHECKING:
    from diana_common.postgres import Link

_FIRST = """
CREATE TABLE operation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    store TEXT NOT NULL,
    state INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    unit TEXT NOT NULL DEFAULT '',
    payload BLOB NOT NULL,
    checkpoint BLOB NOT NULL DEFAULT x'',
    error BLOB NOT NULL DEFAULT x'',
    result BLOB NOT NULL DEFAULT x'',
    create_time REAL NOT NULL,
    start_time REAL,
    end_time REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    cancel_asked INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX operation_state ON operation (state, number);
CREATE TABLE request (
    request_id TEXT PRIMARY KEY,
    operation INTEGER NOT NULL REFERENCES operation (number) ON DELETE CASCADE,
    fingerprint BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX request_operation ON request (operation);
CREATE TABLE failure (
    operation INTEGER NOT NULL REFERENCES operation (number) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    item TEXT NOT NULL,
    status BLOB NOT NULL,
    PRIMARY KEY (operation, number)
) WITHOUT ROWID;
"""
# Which process runs it (engines.Engine.runner).
_SECOND = """
ALTER TABLE operation ADD COLUMN runner INTEGER NOT NULL DEFAULT 0;
"""
# What has ended keeps no more what it was asked.
_THIRD = """
UPDATE operation SET payload = x'', checkpoint = x'' WHERE end_time IS NOT NULL;
"""
_STEPS = (_FIRST, _SECOND, _THIRD)
_POSTGRES = {
    "INTEGER PRIMARY KEY AUTOINCREMENT": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    " INTEGER": " BIGINT",
    " BLOB": " BYTEA",
    " x''": " ''",
    " REAL": " DOUBLE PRECISION",
    " WITHOUT ROWID": "",
}

VERSION = len(_STEPS)


def statements(after: int, words: Mapping[str, str]) -> str:
    """What makes tables of version `after` (0: none) those of today, as one script; `words` replaces SQLite's."""
    script = "".join(_STEPS[after:])
    for word, other in words.items():
        script = script.replace(word, other)
    return script


def check_version(version: int, where: str) -> None:
    """Raises DianaError STORE_SCHEMA_NEWER."""
    if version > VERSION:
        raise DianaError(Reason.STORE_SCHEMA_NEWER, f"{where} has schema {version}, newer than this version's.")


def prepare_postgres(link: Link) -> None:
    """Create the tables, or bring them up to date, in the open transaction. Raises STORE_SCHEMA_NEWER."""
    link.execute("CREATE TABLE IF NOT EXISTS operation_schema(version BIGINT NOT NULL)")
    version = link.value("SELECT version FROM operation_schema") or 0
    check_version(version, "The database of operations")
    if version < VERSION:
        link.run_script(statements(version, _POSTGRES))
        link.execute("DELETE FROM operation_schema")
        link.execute("INSERT INTO operation_schema VALUES(?)", (VERSION,))
