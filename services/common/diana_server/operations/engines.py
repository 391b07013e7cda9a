"""Where operations are kept: a SQLite file of one process, or a PostgreSQL database that several share."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from diana_common.state_files import make_directory, make_private_file
from diana_server.operations import schema

_RUNNER_BITS = 62


class Database(Protocol):
    """As much of a sqlite3.Connection as statements need."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Any:
        """Do one statement."""


class Engine(Protocol):
    """Safe to use from several threads."""

    runner: int
    """This process among those who run operations; another number at every start."""
    poll_seconds: float | None
    """How often to look for what other processes queued or left; None where there are none."""

    def reading(self) -> AbstractContextManager[Database]:
        """Statements that are each by themselves."""

    def writing(self) -> AbstractContextManager[Database]:
        """A transaction, one at a time in all processes; undone if the block raises."""

    def is_gone(self, db: Database, runner: int) -> bool:
        """Whether that process will not go on with what it runs."""

    def scrub(self) -> None:
        """Have what was forgotten be in no file any more, as far as that is the engine's to see to."""

    def close(self) -> None:
        """Let go of it."""


class SqliteEngine:
    """One file, one process."""

    poll_seconds: float | None = None

    def __init__(self, path: Path) -> None:
        """Open it, created if need be. Raises DianaError STORE_SCHEMA_NEWER, OSError, sqlite3.Error."""
        make_directory(path.parent)
        make_private_file(path)
        self.runner = new_runner()
        self._lock = threading.Lock()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("PRAGMA foreign_keys = ON")
        self.db.execute("PRAGMA secure_delete = ON")
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        schema.check_version(version, path.name)
        if version < schema.VERSION:
            script = schema.statements(version, {})
            self.db.executescript(f"BEGIN; {script} PRAGMA user_version = {schema.VERSION}; COMMIT;")

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """See Engine."""
        with self._lock:
            yield self.db

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """See Engine."""
        with self._lock:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                # A full disk ends some transactions by itself, and leaves others open when it is the commit that fails.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def is_gone(self, db: Database, runner: int) -> bool:
        """See Engine."""
        return runner != self.runner

    def scrub(self) -> None:
        """See Engine: the journal has what rows held before."""
        with self._lock:
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """See Engine."""
        self.db.close()


def new_runner() -> int:
    """A number that no other process has."""
    return 1 + secrets.randbits(_RUNNER_BITS)
