"""A generation of records in one SQLite file: one writer, any number of readers that never wait for it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_common.state_files import make_private_file
from diana_index.core.store import Alive, Change, Damaged, Filled, Mark, ReportChange, Unstorable
from diana_index.core.vocabulary import SearchKey, Vocabulary
from diana_index.stores import search_keys
from diana_index.stores.dialect import SQLITE
from diana_index.stores.reader import SqlReader, read_mark
from diana_index.stores.schema import VERSION, fingerprint, statements, statistics
from diana_index.stores.writer import Application, apply_reports

_STEPS_BETWEEN_LOOKS = 100_000
"""SQLite instructions between two looks at whether somebody still waits: about a millisecond's worth."""
_BUSY_SECONDS = 10.0
_READERS = 8
"""Questions read for at a time; one more waits, for as long as somebody waits for it."""
_LOOK_SECONDS = 0.25
_CACHE_KIB = 65_536
"""Pages that the writer keeps: the indexes of a large generation are written all over."""


class SqliteGeneration:
    """Records in a file. Close it once nobody uses it."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises DianaError STORE_SCHEMA_NEWER; sqlite3.Error or OSError if the file is no use."""
        self.path = path
        self._writing = threading.Lock()
        self._places = threading.BoundedSemaphore(_READERS)
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        make_private_file(path)
        self._writer = _connect(path, "rwc")
        self._writer.execute("PRAGMA journal_mode = WAL")
        # A commit lost in a power cut is read from the feed again; the file stays whole.
        self._writer.execute("PRAGMA synchronous = NORMAL")
        self._writer.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._prepare()
        self._vocabulary = search_keys.read_vocabulary(self._writer)

    @property
    def is_current(self) -> bool:
        """Whether it was made with this program's table of attributes."""
        return bool(self._writer.execute("SELECT fingerprint = ? FROM made", (fingerprint(SQLITE),)).fetchone()[0])

    def mark(self) -> Mark:
        """How far the feed is applied. Raises Damaged."""
        with self._writing, _telling_damage():
            return read_mark(self._writer)

    def written(self) -> int:
        """Up to which number the changes of what people wrote are applied. Raises Damaged."""
        with self._writing, _telling_damage():
            return int(self._writer.execute("SELECT written FROM state").fetchone()[0])

    def apply(self, changes: Sequence[Change], mark: Mark) -> None:
        """Make the changes and set the mark at once. Raises Unstorable, Damaged, sqlite3.OperationalError."""
        with self._transaction():
            Application(self._writer, self._vocabulary).apply(changes, mark)

    def write(self, changes: Sequence[ReportChange], written: int) -> None:
        """Make changes of reports and set the number at once. Raises as `apply`."""
        with self._transaction():
            apply_reports(self._writer, changes, written)

    def vocabulary(self) -> Vocabulary:
        """What questions may speak of."""
        return self._vocabulary

    def set_search_keys(self, keys: Sequence[SearchKey]) -> None:
        """Have just these search keys. Raises as `apply`."""
        with self._transaction():
            search_keys.set_search_keys(self._writer, keys)
            self._vocabulary = search_keys.read_vocabulary(self._writer)

    def fill(self, key_id: str, limit: int) -> Filled | None:
        """Fill a search key for the next records. Raises as `apply`."""
        with self._transaction():
            filled = search_keys.fill(self._writer, key_id, limit)
            self._vocabulary = search_keys.read_vocabulary(self._writer)
            return filled

    @contextmanager
    def reading(self, alive: Alive) -> Iterator[SqlReader]:
        """A view for one question. Raises DianaError OVERLOADED once nobody waits any more."""
        with self._place(alive):
            connection = self._reader()
            connection.set_progress_handler(lambda: not alive(), _STEPS_BETWEEN_LOOKS)
            try:
                connection.execute("BEGIN")
                yield SqlReader(connection, SQLITE)
            except sqlite3.OperationalError as error:
                if "interrupted" not in str(error):
                    raise
                raise _given_up() from None
            finally:
                connection.set_progress_handler(None, 0)
                connection.rollback()
                with self._idle_lock:
                    self._idle.append(connection)

    def close(self) -> None:
        """Close all connections."""
        with self._idle_lock:
            while self._idle:
                self._idle.pop().close()
        self._writer.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._writing, _telling_damage():
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield
                self._writer.execute("COMMIT")
            except BaseException as error:
                self._writer.rollback()
                self._vocabulary = search_keys.read_vocabulary(self._writer)
                if isinstance(error, sqlite3.OperationalError) or not isinstance(error, Exception) or _is_damage(error):
                    raise
                raise Unstorable from error

    @contextmanager
    def _place(self, alive: Alive) -> Iterator[None]:
        while not self._places.acquire(timeout=_LOOK_SECONDS):
            if not alive():
                raise _given_up()
        try:
            yield
        finally:
            self._places.release()

    def _reader(self) -> sqlite3.Connection:
        with self._idle_lock:
            if self._idle:
                return self._idle.pop()
        return _connect(self.path, "ro")

    def _prepare(self) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise DianaError(Reason.STORE_SCHEMA_NEWER, "The index's records were written by a newer version.")
        if version == VERSION:
            return
        self._writer.execute("BEGIN IMMEDIATE")
        for statement in [*statements(SQLITE), *statistics()]:
            self._writer.execute(statement)
        self._writer.execute("CREATE TABLE made (fingerprint TEXT NOT NULL)")
        self._writer.execute("INSERT INTO made VALUES (?)", (fingerprint(SQLITE),))
        self._writer.execute(f"PRAGMA user_version = {VERSION}")
        self._writer.execute("COMMIT")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


@contextmanager
def _telling_damage() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if _is_damage(error):
            raise Damaged from error
        raise


def _is_damage(error: Exception) -> bool:
    """Whether SQLite finds the file itself to be no use; its extended codes begin above the low byte."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _given_up() -> DianaError:
    return DianaError(Reason.OVERLOADED, "The question was given up: nobody waited any more.")
