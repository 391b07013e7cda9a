"""Operations in a PostgreSQL database: imported where one is configured, since its client takes its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from diana_common.errors import DianaError, Reason
from diana_common.postgres import Link, typed
from diana_server.operations import schema
from diana_server.operations.engines import Database, new_runner

_POLL_SECONDS = 1.0
_RUNNING_SECONDS = 5.0
_WRITING = 0x4449414F50


class PostgresEngine:
    """One connection, whose session holds a lock by the runner's number: the lock is free when the process is gone."""

    poll_seconds: float | None = _POLL_SECONDS

    def __init__(self, url: str) -> None:
        """Connect, and create the tables if need be.

        Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER, PEER_UNAVAILABLE; psycopg.Error.
        """
        self._url = url
        self.runner = new_runner()
        self._lock = threading.Lock()
        self._link: Link | None = None
        with self.writing() as db:
            schema.prepare_postgres(db)

    @contextmanager
    def reading(self) -> Iterator[Link]:
        """See Engine. Raises DianaError PEER_UNAVAILABLE."""
        with self._lock, typed():
            link = self._linked()
            yield link

    @contextmanager
    def writing(self) -> Iterator[Link]:
        """See Engine. Raises DianaError PEER_UNAVAILABLE: it may then have been done."""
        with self._lock, typed():
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

    def scrub(self) -> None:
        """See Engine: the database server's own matter."""

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
                self.runner = new_runner()
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
