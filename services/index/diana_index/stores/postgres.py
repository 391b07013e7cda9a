"""A generation of records in a schema of a PostgreSQL database, which several processes may share.

Its writers take turns by the row of its `state`. Who follows the feed writes only where the last write was its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg

from diana_common.errors import DianaError, Reason
from diana_common.postgres import Link, typed
from diana_index.core.store import Alive, Change, Damaged, Filled, Mark, ReportChange, Unstorable
from diana_index.core.vocabulary import SearchKey, Vocabulary
from diana_index.stores import search_keys
from diana_index.stores.dialect import POSTGRES
from diana_index.stores.postgres_ledger import ACTIVE, STILL, schema_name
from diana_index.stores.postgres_readers import Fetching, Readers
from diana_index.stores.reader import SqlReader, read_mark
from diana_index.stores.writer import Application, apply_reports

_WRITING = {
    # A commit lost in a power cut is read from the feed again.
    "synchronous_commit": "off",
    # A process that stands still with the writers' turn in its hands loses it.
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "60s",
}
_READING = {"jit": "off"}
_FIRST_ANALYZE, _ANALYZE_FACTOR = 1_000, 8
_NO_USE = ("XX001", "XX002", "58P01", "42P01", "3F000")
"""Damaged files, and tables that are gone."""
_TOO_MUCH = "54"


class PostgresGeneration:
    """Records in a schema. Close it once nobody uses it."""

    def __init__(self, url: str, number: int, *, in_making: bool = False) -> None:
        """Of a schema that is there; `in_making`: it answers nothing yet, and only this process knows of it."""
        self.number = number
        self.in_making = in_making
        self._url = url
        self._readers = Readers(lambda: self._connect(_READING))
        self._writing = threading.Lock()
        self._writer: Link | None = None
        self._position: str | None = None
        """Where the last write of this object, or its last look, left the mark."""
        self._vocabulary = Vocabulary()
        self.learnt = 0
        """Counts up with what this object learns of its vocabulary."""
        self._applied = 0
        self._next_analyze = _FIRST_ANALYZE

    def mark(self) -> Mark:
        """How far the feed is applied; `apply` goes on from there. Raises Damaged, DianaError PEER_UNAVAILABLE."""
        with self._writing, _telling():
            mark = read_mark(self._linked())
            self._position = mark.position
            return mark

    def written(self) -> int:
        """Up to which number the changes of what people wrote are applied. Raises as `mark`."""
        with self._writing, _telling():
            return int(self._linked().value("SELECT written FROM state"))

    def apply(self, changes: Sequence[Change], mark: Mark) -> None:
        """Make the changes and set the mark at once.

        Raises Unstorable, Damaged; DianaError PEER_UNAVAILABLE, and where another process has written meanwhile:
        look at `mark` again then.
        """
        with self._transaction() as (link, position):
            if self._position not in (None, position):
                raise DianaError(Reason.PEER_UNAVAILABLE, "Another index process follows the archive.")
            Application(link, search_keys.read_vocabulary(link)).apply(changes, mark)
        self._position = mark.position
        self._count(len(changes))

    def write(self, changes: Sequence[ReportChange], written: int) -> None:
        """Make changes of reports and set the number at once. Raises as `mark`, Unstorable."""
        with self._transaction() as (link, _):
            apply_reports(link, changes, written)

    def vocabulary(self) -> Vocabulary:
        """What questions may speak of; of what another process made it is told a moment later."""
        return self._vocabulary

    def learn(self, vocabulary: Vocabulary) -> None:
        """What questions may speak of from now on."""
        self._vocabulary = vocabulary
        self.learnt += 1

    def set_search_keys(self, keys: Sequence[SearchKey]) -> None:
        """Have just these search keys. Raises as `write`."""
        with self._transaction() as (link, _):
            search_keys.set_search_keys(link, keys)
            made = search_keys.read_vocabulary(link)
        self.learn(made)

    def fill(self, key_id: str, limit: int) -> Filled | None:
        """Fill a search key for the next records. Raises as `write`."""
        with self._transaction() as (link, _):
            filled = search_keys.fill(link, key_id, limit)
            made = search_keys.read_vocabulary(link)
        self.learn(made)
        return filled

    @contextmanager
    def reading(self, alive: Alive) -> Iterator[SqlReader]:
        """A view for one question. Raises DianaError OVERLOADED once nobody waits any more, PEER_UNAVAILABLE."""
        with typed(), self._readers.reading(alive) as link:
            try:
                yield SqlReader(link, POSTGRES, Fetching(link))
            except psycopg.errors.UndefinedTable:
                # Dropped while this process had lost the session that kept it.
                raise DianaError(Reason.PEER_UNAVAILABLE, "The index's records are gone; others take over.") from None

    def close(self) -> None:
        """Close all connections."""
        self._readers.close()
        with self._writing:
            if self._writer:
                self._writer.close()

    @contextmanager
    def _transaction(self) -> Iterator[tuple[Link, str]]:
        """The writers' turn; yields the connection and the mark's position. Raises as `apply`."""
        with self._writing, _telling():
            link = self._begun()
            try:
                position = self._turn(link)
                yield link, position
                link.commit()
            except BaseException:
                link.rollback()
                raise

    def _turn(self, link: Link) -> str:
        if not self.in_making:
            link.execute("SELECT pg_advisory_xact_lock_shared(?)", (STILL,))
            if not link.value(ACTIVE, (self.number,)):
                raise DianaError(Reason.PEER_UNAVAILABLE, "Another generation of the index's records answers now.")
        return str(link.value("SELECT position FROM state FOR UPDATE"))

    def _begun(self) -> Link:
        link = self._linked()
        try:
            link.execute("BEGIN")
        except psycopg.Error:
            if not link.lost:
                raise
            link = self._linked()
            link.execute("BEGIN")
        return link

    def _linked(self) -> Link:
        if self._writer is None or self._writer.lost:
            self._writer = self._connect(_WRITING)
        return self._writer

    def _connect(self, settings: dict[str, str]) -> Link:
        link = Link(self._url)
        try:
            for name, value in {"search_path": schema_name(self.number), **settings}.items():
                link.execute("SELECT set_config(?, ?, false)", (name, value))
        except BaseException:
            link.close()
            raise
        return link

    def _count(self, changes: int) -> None:
        """Have the planner count anew each time the records have grown by much; the database itself does it late."""
        self._applied += changes
        if self._applied < self._next_analyze:
            return
        self._next_analyze *= _ANALYZE_FACTOR
        with self._writing, suppress(psycopg.Error, DianaError):
            link = self._linked()
            tables = link.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()")
            link.execute(f"ANALYZE {', '.join(row[0] for row in tables)}")


@contextmanager
def _telling() -> Iterator[None]:
    """Around what writes: whatever fails is what `core.store` names, or the database's own trouble."""
    try:
        with typed():
            yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        if state in _NO_USE:
            raise Damaged from error
        if isinstance(error, psycopg.DataError | psycopg.IntegrityError) or state.startswith(_TOO_MUCH):
            raise Unstorable from error
        raise
    except (DianaError, Damaged, Unstorable):
        raise
    except Exception as error:
        raise Unstorable from error
