"""The catalogue in SQLite: one writer, a few readers that never block it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from diana_archive.core.model import Known
from diana_archive.core.ports import Clock
from diana_archive.stores import schema, schema_sqlite
from diana_archive.stores.changes import SqlChanges
from diana_archive.stores.keeping import Keeping
from diana_archive.stores.snapshot import SqlSnapshot
from diana_common.state_files import make_private_file

_READERS = 8


def system_clock() -> int:
    """Now, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class SqliteCatalogue(Keeping):
    """A catalogue in one file, or in memory where `path` is None (then reads and writes take turns)."""

    def __init__(
        self,
        path: Path | None,
        stores: Iterable[str],
        clock: Clock = system_clock,
        least_number: int = 1,
        outlives_power_cuts: bool = True,
    ) -> None:
        """Open it, created if need be; `reserve_numbers` gives none below `least_number`.

        Where it need not outlive power cuts, one may take the last changes of it; it can be opened all the same.
        Raises DianaError STORE_SCHEMA_NEWER, sqlite3.Error.
        """
        super().__init__()
        self._path = path
        self._clock = clock
        self.outlives_power_cuts = outlives_power_cuts
        self._lock = threading.RLock()
        if path is not None:
            # Headers hold patient values: the file, and the log that takes its mode, are for us alone.
            make_private_file(path)
        self._writer = _connect_writer(path, outlives_power_cuts)
        schema_sqlite.prepare(self._writer)
        self._stores = schema.fill(self._writer, stores, least_number)
        self.epoch = schema.read_meta(self._writer, "epoch")
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_READERS)

    def known(self, store: str, sop_instance_uid: str) -> list[Known]:
        """See core.ports.Catalogue. One statement is a transaction of its own."""
        with self._reading() as connection:
            return SqlSnapshot(connection, self._stores).known(store, sop_instance_uid)

    @contextmanager
    def snapshot(self) -> Iterator[SqlSnapshot]:
        """See core.ports.Catalogue."""
        with self._reading() as connection:
            if connection is self._writer:
                yield SqlSnapshot(connection, self._stores)
                return
            connection.execute("BEGIN")
            try:
                yield SqlSnapshot(connection, self._stores)
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[SqlChanges]:
        """See core.ports.Catalogue. Raises sqlite3.Error when the commit fails."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield SqlChanges(self._writer, self._stores, self._clock())
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def copy_to(self, path: Path) -> None:
        """Copy it as it is now into a new file; changes go on meanwhile. Raises OSError, sqlite3.Error."""
        make_private_file(path)
        with closing(sqlite3.connect(path)) as copy, self._reading() as connection:
            connection.backup(copy)

    def close(self) -> None:
        """Close every connection; the last one folds the log into the file."""
        self._run_closers()
        with self._idle_lock:
            while self._idle:
                self._idle.pop().close()
        self._writer.close()

    def watch(self, publish: Callable[[int], None]) -> None:
        """See core.ports.Catalogue. Nobody else writes."""

    @contextmanager
    def _settings(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._writer

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read from, for one thread at a time."""
        if self._path is None:
            with self._lock:
                yield self._writer
            return
        with self._places:
            connection = self._reader()
            try:
                yield connection
            finally:
                with self._idle_lock:
                    self._idle.append(connection)

    def _reader(self) -> sqlite3.Connection:
        with self._idle_lock:
            if self._idle:
                return self._idle.pop()
        connection = _connect(self._path)
        connection.execute("PRAGMA query_only = ON")
        return connection


def _connect(path: Path | None) -> sqlite3.Connection:
    return sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=30)


def _connect_writer(path: Path | None, outlives_power_cuts: bool) -> sqlite3.Connection:
    connection = _connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit returns when the log is on the disk. NORMAL: only a checkpoint waits for it, so that what a power
    # cut leaves is the catalogue of some moment before, whole (https://sqlite.org/pragma.html#pragma_synchronous).
    connection.execute(f"PRAGMA synchronous = {'FULL' if outlives_power_cuts else 'NORMAL'}")
    connection.execute("PRAGMA cache_size = -16384")
    # In pages: every checkpoint waits for the disk, with all who wait for a commit.
    connection.execute("PRAGMA wal_autocheckpoint = 8000")
    return connection
