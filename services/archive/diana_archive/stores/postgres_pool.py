"""A few connections that many threads read from in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from diana_common.postgres import Link


class Pool:
    """At most so many connections at a time, made when they are needed."""

    def __init__(self, most: int, connect: Callable[[], Link]) -> None:
        self._connect = connect
        self._places = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[Link] = []

    @contextmanager
    def link(self, begin: str = "SELECT 1") -> Iterator[Link]:
        """A connection on which `begin` has been done. Raises psycopg.Error, what `connect` raises."""
        with self._places:
            link = self._begun(begin)
            try:
                yield link
            finally:
                if not link.lost:
                    with self._lock:
                        self._idle.append(link)

    def close(self) -> None:
        """Close those that are idle."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _begun(self, begin: str) -> Link:
        """One that the database ended meanwhile is left for another."""
        while True:
            with self._lock:
                link = self._idle.pop() if self._idle else None
            fresh = link is None
            link = link or self._connect()
            try:
                link.execute(begin)
            except psycopg.Error:
                link.close()
                if fresh:
                    raise
            else:
                return link
