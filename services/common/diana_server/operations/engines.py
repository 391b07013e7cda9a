"""Where operations are kept: a SQLite file of one process, or a PostgreSQL database that several share."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg

from diana_common.errors import DianaError, Reason
from diana_common.postgres import Link, typed
from diana_common.state_files import make_directory, make_private_file
from diana_server.operations import schema

_POLL_SECONDS = 1.0
_RUNNING_SECONDS = 5.0
_WRITING = 0x4449414F50
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

    def close(self) -> None:
        """Let go of it."""


class SqliteEngine:
    """One file, one process."""

    poll_seconds: float | None = None

    def __init__(self, path: Path) -> None:
        """Open it, created if need be. Raises DianaError STORE_SCHEMA_NEWER, OSError, sqlite3.Error."""
        make_directory(path.parent)
        make_private_file(path)
        self.runner = _new_runner()
        self._lock = threading.Lock()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("PRAGMA foreign_keys = ON")
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

    def close(self) -> None:
        """See Engine."""
        self.db.close()


class PostgresEngine:
    """One connection, whose session holds a lock by the runner's number: the lock is free when the process is gone."""

    poll_seconds: float | None = _POLL_SECONDS

    def __init__(self, url: str) -> None:
        """Connect, and create the tables if need be.

        Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER, PEER_UNAVAILABLE; psycopg.Error.
        """
        self._url = url
        self.runner = _new_runner()
        self._lock = threading.Lock()
        self._link: Link | None = None
        with self.writing() as db:
            schema.prepare_postgres(db)

    @contextmanager
    def reading(self) -> Iterator[Link]:
        """See Engine. Raises DianaError PEER_UNAVAILABLE."""
        with self._lock, _typed():
            link = self._linked()
            yield link

    @contextmanager
    def writing(self) -> Iterator[Link]:
        """See Engine. Raises DianaError PEER_UNAVAILABLE: it may then have been done."""
        with self._lock, _typed():
            link = self._linked()
            try:
                link.execute("BEGIN")
                link.execute("SELECT pg_advisory_xact_lock(?)", (_WRITING,))
                yield link
                self._commit(link)
            except BaseException:
                link.rollback()
                raise

    def is_gone(self, db: Database, runner: int) -> bool:
        """See Engine."""
        held = runner == self.runner
        return not held and bool(db.execute("SELECT pg_try_advisory_xact_lock(?)", (runner,)).fetchone()[0])

    def close(self) -> None:
        """See Engine."""
        with self._lock:
            if self._link:
                self._link.close()

    def _commit(self, link: Link) -> None:
        try:
            link.commit()
        except psycopg.Error:
            if link.lost:
                # It may have been done, and nobody knows what was taken by it: what runs here is taken up anew.
                self.runner = _new_runner()
            raise

    def _linked(self) -> Link:
        """The connection, made anew if it was lost. What ran meanwhile may have been taken up by another process."""
        if self._link is not None and not self._link.lost:
            try:
                self._link.execute("SELECT 1")
            except psycopg.Error:
                self._link.close()
            else:
                return self._link
        link = Link(self._url)
        until = time.monotonic() + _RUNNING_SECONDS
        # The session that had it before may not be noticed to be gone.
        while not link.value("SELECT pg_try_advisory_lock(?)", (self.runner,)):
            if time.monotonic() > until:
                link.close()
                raise DianaError(Reason.PEER_UNAVAILABLE, "The server's database still holds an earlier connection.")
            time.sleep(0.05)
        self._link = link
        return link


def _new_runner() -> int:
    return 1 + secrets.randbits(_RUNNER_BITS)


@contextmanager
def _typed() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise typed(error) from error
