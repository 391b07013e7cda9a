"""A generation of records in one SQLite file: one writer, any number of readers that never wait for it."""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_common.state_files import make_private_file
from diana_index.core.attributes import Level
from diana_index.core.question import Question
from diana_index.core.store import Alive, Change, Damaged, Mark, Row, SortKey, Totals, Unstorable, Wanted
from diana_index.stores.schema import VERSION, fingerprint, statements
from diana_index.stores.sql import Sql, count_sql, find_sql
from diana_index.stores.writer import Application

_STEPS_BETWEEN_LOOKS = 100_000
"""SQLite instructions between two looks at whether somebody still waits: about a millisecond's worth."""
_BUSY_SECONDS = 10.0
_READERS = 8
"""Questions read for at a time; one more waits, for as long as somebody waits for it."""
_LOOK_SECONDS = 0.25


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
        self._prepare()

    @property
    def is_current(self) -> bool:
        """Whether it was made with this program's table of attributes."""
        return bool(self._writer.execute("SELECT fingerprint = ? FROM made", (fingerprint(),)).fetchone()[0])

    def mark(self) -> Mark:
        """How far the feed is applied. Raises Damaged."""
        with self._writing, _telling_damage():
            return _mark(self._writer)

    def apply(self, changes: Sequence[Change], mark: Mark) -> None:
        """Make the changes and set the mark at once. Raises Unstorable, Damaged, sqlite3.OperationalError."""
        with self._writing, _telling_damage():
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                Application(self._writer).apply(changes, mark)
                self._writer.execute("COMMIT")
            except BaseException as error:
                self._writer.rollback()
                if isinstance(error, sqlite3.OperationalError) or not isinstance(error, Exception) or _is_damage(error):
                    raise
                raise Unstorable from error

    @contextmanager
    def reading(self, alive: Alive) -> Iterator[SqliteReader]:
        """A view of one moment, on a connection of its own."""
        with self._place(alive):
            connection = self._reader()
            connection.set_progress_handler(lambda: not alive(), _STEPS_BETWEEN_LOOKS)
            try:
                connection.execute("BEGIN")
                yield SqliteReader(connection)
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
        for statement in statements():
            self._writer.execute(statement)
        self._writer.execute("CREATE TABLE made (fingerprint TEXT NOT NULL)")
        self._writer.execute("INSERT INTO made VALUES (?)", (fingerprint(),))
        self._writer.execute(f"PRAGMA user_version = {VERSION}")
        self._writer.execute("COMMIT")


class SqliteReader:
    """One view of the records."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def mark(self) -> Mark:
        """How far the view reaches."""
        return _mark(self._connection)

    def find(self, question: Question, wanted: Wanted, after: SortKey | None, limit: int) -> Iterator[Row]:
        """The records that meet a question, in its order, from behind `after`."""
        above = question.level if wanted.above else Level.PATIENT
        for row in self._rows(find_sql(question, wanted, after, limit)):
            count, texts, body, sort_key = row[0], row[1 : 1 + above], row[1 + above], row[2 + above :]
            header = zlib.decompress(body) if body is not None else None
            yield Row(sort_key, count, [json.loads(text) for text in texts], header)

    def count(self, question: Question) -> int:
        """How many there are."""
        return int(self._rows(count_sql(question)).fetchone()[0])

    def totals(self, store: str | None = None) -> Totals:
        """How many records a store has, or all stores together: summed up from the patients' records."""
        row = self._connection.execute(
            'SELECT count(*), sum("NumberOfPatientRelatedStudies"), sum("NumberOfPatientRelatedSeries"),'
            ' sum("NumberOfPatientRelatedInstances") FROM patient WHERE ?1 IS NULL OR store = ?1',
            (store,),
        ).fetchone()
        return Totals(*(number or 0 for number in row))

    def _rows(self, sql: Sql) -> sqlite3.Cursor:
        return self._connection.execute(sql.text, sql.values)


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


def _mark(connection: sqlite3.Connection) -> Mark:
    return Mark(*connection.execute("SELECT position, commit_time FROM state").fetchone())
