"""A database in PostgreSQL, in a schema of its own: imported where one is configured."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from diana_common.postgres import Link, typed
from diana_index.stores.databases import Layout
from diana_index.stores.dialect import POSTGRES


class PostgresDatabase:
    """See stores.databases.Database."""

    dialect = POSTGRES

    def __init__(self, url: str, layout: Layout) -> None:
        self._url = url
        self._layout = layout
        self._lock = threading.Lock()
        self._idle: list[Link] = []
        with self.writing() as link:
            self._prepare(link)

    @contextmanager
    def reading(self) -> Iterator[Link]:
        """See Database. Raises DianaError PEER_UNAVAILABLE."""
        with typed(), self._link() as link:
            yield link

    @contextmanager
    def writing(self) -> Iterator[Link]:
        """See Database. Raises DianaError PEER_UNAVAILABLE: it may then have been done; DISK_FULL."""
        with typed(), self._link() as link:
            link.execute("BEGIN")
            try:
                link.execute("SELECT pg_advisory_xact_lock(?)", (self._layout.lock,))
                yield link
                link.commit()
            except BaseException:
                link.rollback()
                raise

    def close(self) -> None:
        """See Database."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def _link(self) -> Iterator[Link]:
        link = self._taken() or self._connect()
        try:
            yield link
        finally:
            if not link.lost:
                with self._lock:
                    self._idle.append(link)

    def _taken(self) -> Link | None:
        """One that is idle, and was not ended meanwhile."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                link = self._idle.pop()
            try:
                link.execute("SELECT 1")
            except psycopg.Error:
                link.close()
            else:
                return link

    def _connect(self) -> Link:
        link = Link(self._url)
        link.execute(f"SET search_path = {self._layout.schema}")
        return link

    def _prepare(self, link: Link) -> None:
        link.execute(f"CREATE SCHEMA IF NOT EXISTS {self._layout.schema}")
        link.execute("CREATE TABLE IF NOT EXISTS version (number BIGINT NOT NULL)")
        version = link.value("SELECT max(number) FROM version") or 0
        statements = self._layout.statements_from(version, self.dialect)
        for statement in statements:
            link.execute(statement)
        if statements:
            link.execute("INSERT INTO version VALUES (?)", (self._layout.version,))
