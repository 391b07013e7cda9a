"""Databases for what is written by people or found on disks, and not derived from the feed: SQLite or PostgreSQL.

Statements are those that both understand, with `?` for values: see `dialect`.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from diana_common.errors import DianaError, Reason
from diana_common.state_files import make_directory, make_private_file
from diana_index.stores.connection import Connection
from diana_index.stores.dialect import SQLITE, Dialect

_BUSY_SECONDS = 30.0
_CACHE_KIB = 32_768
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class Layout:
    """The tables of a database."""

    schema: str
    """In PostgreSQL the schema that has them; letters and "_"."""
    title: str
    """For errors: "the folder registry"."""
    steps: Sequence[Callable[[Dialect], Sequence[str]]]
    """What makes the tables of version 1, what makes version 2 of these, and so on."""

    @property
    def version(self) -> int:
        """The newest that this program knows."""
        return len(self.steps)

    @property
    def lock(self) -> int:
        """PostgreSQL's advisory lock of whoever writes."""
        return int.from_bytes(hashlib.sha256(self.schema.encode()).digest()[:8], signed=True)

    def statements_from(self, version: int, dialect: Dialect) -> list[str]:
        """What makes this version of that one. Raises DianaError STORE_SCHEMA_NEWER."""
        if version > self.version:
            raise DianaError(Reason.STORE_SCHEMA_NEWER, f"The tables of {self.title} were made by a newer version.")
        return [statement for step in self.steps[version:] for statement in step(dialect)]


class Database(Protocol):
    """Safe to use from several threads."""

    @property
    def dialect(self) -> Dialect:
        """Its words."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """Statements that are each by themselves."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction, one at a time in all processes; undone if the block raises."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def open_database(url: str, path: Path, layout: Layout) -> Database:
    """The database at a PostgreSQL URL; in the SQLite file `path` without one. Its tables are made if need be.

    Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER, STORE_DAMAGED, PEER_UNAVAILABLE; OSError, sqlite3.Error.
    """
    if not url:
        return SqliteDatabase(path, layout)
    from diana_index.stores.databases_postgres import PostgresDatabase  # takes memory: only where it is needed

    return PostgresDatabase(url, layout)


class SqliteDatabase:
    """A file; what is written survives a power cut."""

    dialect = SQLITE

    def __init__(self, path: Path, layout: Layout) -> None:
        make_directory(path.parent)
        make_private_file(path)
        self._path = path
        self._title = layout.title
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._writer = self._connect()
        with self._naming_damage():
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA synchronous = FULL")
            self._writer.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._prepare(layout)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """See Database. Raises DianaError STORE_DAMAGED."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            with self._naming_damage():
                yield connection
        finally:
            with self._lock:
                self._idle.append(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """See Database. Raises DianaError DISK_FULL, STORE_DAMAGED."""
        with self._writing, self._naming_damage():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                self._writer.rollback()
                if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
                    raise DianaError(Reason.DISK_FULL, f"The disk of {self._title} is full.") from error
                raise

    def close(self) -> None:
        """See Database."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()
        with self._writing:
            self._writer.close()

    @contextmanager
    def _naming_damage(self) -> Iterator[None]:
        """SQLite does not say which file is damaged. Raises DianaError STORE_DAMAGED."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise
            raise DianaError(Reason.STORE_DAMAGED, f"state_dir: {self._path.name} is damaged.") from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    def _prepare(self, layout: Layout) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        statements = layout.statements_from(version, self.dialect)
        if not statements:
            return
        with self.writing() as db:
            for statement in statements:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {layout.version}")
