"""The catalogue in PostgreSQL, which several archive processes may share.

Who writes holds one lock of the database until its transaction has ended, so that a position becomes visible only
after every lower one, whichever process gave it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress

import psycopg

from diana_archive.core.failures import Undecided
from diana_archive.core.model import Known
from diana_archive.core.ports import Clock
from diana_archive.stores import schema, schema_postgres
from diana_archive.stores.catalogue import system_clock
from diana_archive.stores.changes import SqlChanges
from diana_archive.stores.keeping import Keeping
from diana_archive.stores.postgres_news import CHANNEL, News
from diana_archive.stores.postgres_pool import Pool
from diana_archive.stores.snapshot import SqlSnapshot
from diana_common.errors import DianaError, Reason
from diana_common.postgres import Link, typed
from diana_common.settings import config_invalid

_READERS = 8
# The locks of a catalogue, told apart from those of other programs in the database.
_WRITING, _OWNING = 0x4449414E41, 0x4449414E42
_SETTLE_SECONDS = 20.0
_OWNING_SECONDS = 10.0
_IDENTITY = """SELECT (SELECT system_identifier FROM pg_control_system()) || '/'
  || (SELECT oid FROM pg_database WHERE datname = current_database()) || '/'
  || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"""


class PostgresCatalogue(Keeping):
    """A catalogue in the database that a URL names; in its first schema on the search path.

    `alone` keeps other processes out while this one runs: for bytes that only this one reaches.
    """

    def __init__(
        self,
        url: str,
        stores: Iterable[str],
        clock: Clock = system_clock,
        *,
        alone: bool = False,
        may_create: Callable[[], None] = lambda: None,
        least_number: int = 1,
    ) -> None:
        """Open it, its tables created if need be, unless `may_create` raises; see SqliteCatalogue for the number.

        Raises DianaError CONFIG_INVALID where another process has it, STORE_SCHEMA_NEWER, PEER_UNAVAILABLE,
        DISK_FULL; psycopg.Error.
        """
        super().__init__()
        self._url = url
        self._clock = clock
        self._alone = alone
        self._identity = ""
        self.outlives_power_cuts = True
        self._lock = threading.RLock()
        self._writer: Link | None = None
        self._pool = Pool(_READERS, self._connect)
        self._news: News | None = None
        self._stores: Mapping[str, int] = {}
        self.created = False
        """Whether its tables were made just now."""
        self.restored = False
        """Whether the database was put back from a copy, or moved, since it was used last."""
        with typed():
            self._open(stores, may_create, least_number)

    def known(self, store: str, sop_instance_uid: str) -> list[Known]:
        """See core.ports.Catalogue. One statement is a transaction of its own."""
        with typed(), self._pool.link() as link:
            return SqlSnapshot(link, self._stores).known(store, sop_instance_uid)

    @contextmanager
    def snapshot(self) -> Iterator[SqlSnapshot]:
        """See core.ports.Catalogue. Raises DianaError PEER_UNAVAILABLE, psycopg.Error."""
        with typed(), self._pool.link("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as link:
            try:
                yield SqlSnapshot(link, self._stores)
            finally:
                link.rollback()

    @contextmanager
    def transaction(self) -> Iterator[SqlChanges]:
        """See core.ports.Catalogue. Raises DianaError PEER_UNAVAILABLE, DISK_FULL, psycopg.Error; nothing is changed
        then, unless it is core.failures.Undecided."""
        with self._lock, typed():
            link = self._begin()
            try:
                # A number that tells later what became of it.
                transaction = str(link.value("SELECT CAST(pg_current_xact_id() AS TEXT)"))
                changes = SqlChanges(link, self._stores, self._clock())
                before = changes.head()
                yield changes
                if changes.head() > before:
                    link.execute(f"SELECT pg_notify('{CHANNEL}', ?)", (str(changes.head()),))
            except BaseException:
                link.rollback()
                raise
            self._commit(link, transaction)

    def watch(self, publish: Callable[[int], None]) -> None:
        """See core.ports.Catalogue."""
        self._news = News(self._connect, publish)
        self._news.start()

    def close(self) -> None:
        """Close every connection."""
        self._run_closers()
        if self._news:
            self._news.stop()
            with suppress(psycopg.Error, DianaError), self._settings() as connection:
                connection.execute(f"SELECT pg_notify('{CHANNEL}', '')")
            self._news.join()
        self._pool.close()
        with self._lock:
            if self._writer:
                self._writer.close()

    @contextmanager
    def _settings(self) -> Iterator[Link]:
        with self._lock, typed():
            yield self._writing()

    def _open(self, stores: Iterable[str], may_create: Callable[[], None], least_number: int) -> None:
        with closing(Link(self._url)) as link:
            link.execute("BEGIN")
            link.execute("SELECT pg_advisory_xact_lock(?)", (_WRITING,))
            self.created = schema_postgres.prepare(link)
            if self.created:
                may_create()
            self._stores = schema.fill(link, stores, least_number)
            self._identity = _identity(link)
            link.execute("INSERT INTO meta VALUES('database', ?) ON CONFLICT DO NOTHING", (self._identity,))
            self.restored = schema.read_meta(link, "database") != self._identity
            if self.restored:
                schema.renew_epoch(link)
                schema.write_meta(link, "database", self._identity)
            self.epoch = schema.read_meta(link, "epoch")
            link.commit()
        with self._settings():
            """Own it from now on."""

    def _connect(self) -> Link:
        """A connection to the same database as at the start. Raises psycopg.Error; DianaError PEER_UNAVAILABLE."""
        link = Link(self._url)
        try:
            if _identity(link) != self._identity:
                raise DianaError(
                    Reason.PEER_UNAVAILABLE, "The archive's database is another one now; the archive must start anew."
                )
        except BaseException:
            link.close()
            raise
        return link

    def _writing(self) -> Link:
        if self._writer is None or self._writer.lost:
            self._writer = self._connect_writer()
        return self._writer

    def _connect_writer(self) -> Link:
        link = self._connect()
        try:
            for setting, value in (("idle_in_transaction_session_timeout", "60s"), ("lock_timeout", "60s")):
                link.execute("SELECT set_config(?, ?, false)", (setting, value))
            # Never less than this, whatever the database's default: an acknowledgement is for good.
            link.execute(
                """SELECT set_config('synchronous_commit', 'on', false)
                   WHERE current_setting('synchronous_commit') IN ('off', 'local')"""
            )
            self._own(link)
        except BaseException:
            link.close()
            raise
        return link

    def _own(self, link: Link) -> None:
        """For as long as the connection lasts: those who share the catalogue, or the one who does not."""
        lock = "pg_try_advisory_lock" if self._alone else "pg_try_advisory_lock_shared"
        until = time.monotonic() + _OWNING_SECONDS
        # The session that had it before may not be noticed to be gone.
        while not link.value(f"SELECT {lock}(?)", (_OWNING,)):
            if time.monotonic() > until:
                raise config_invalid("catalogue_url", "another archive has this database for itself, or shares it")
            time.sleep(0.1)

    def _begin(self) -> Link:
        """The writing connection in a transaction, with the writers' lock; connected anew if it was lost."""
        link = self._writing()
        try:
            link.execute("BEGIN")
        except psycopg.Error:
            if not link.lost:
                raise
            link = self._writing()
            link.execute("BEGIN")
        try:
            link.execute("SELECT pg_advisory_xact_lock(?)", (_WRITING,))
        except BaseException:
            link.rollback()
            raise
        return link

    def _commit(self, link: Link, transaction: str) -> None:
        try:
            link.commit()
        except psycopg.Error as error:
            if not link.lost:
                raise
            committed = self._outcome(transaction)
            if committed is None:
                raise Undecided(
                    Reason.PEER_UNAVAILABLE, "The archive's database was lost in a commit; it may hold or not."
                ) from error
            if not committed:
                raise

    def _outcome(self, transaction: str) -> bool | None:
        """Whether a transaction was committed whose connection is lost; None if that cannot be learnt in time."""
        until = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < until:
            with suppress(psycopg.Error, DianaError):
                # Behind the lock it has ended, one way or the other.
                link = self._begin()
                status = link.value("SELECT pg_xact_status(CAST(? AS xid8))", (transaction,))
                link.rollback()
                return {"committed": True, "aborted": False}.get(status)
            time.sleep(0.2)
        return None


def _identity(link: Link) -> str:
    """Which database this is, on which of its timelines (a copy put back has another one)."""
    return str(link.value(_IDENTITY))
