"""The connections that questions read from: a few, each question given up when nobody waits for its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from diana_common.errors import DianaError, Reason
from diana_common.postgres import Link
from diana_index.core.store import Alive

_READERS = 8
"""Questions read for at a time; one more waits, for as long as somebody waits for it."""
_LOOK_SECONDS = 0.25
_ROWS = 16
"""Fetched at a time, each with a whole header."""
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Readers:
    """Connections are made when they are needed, and kept."""

    def __init__(self, connect: Callable[[], Link]) -> None:
        self._connect = connect
        self._places = threading.BoundedSemaphore(_READERS)
        self._lock = threading.Lock()
        self._idle: list[Link] = []
        self._questions: set[_Question] = set()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def reading(self, alive: Alive) -> Iterator[Link]:
        """One state of the records. Raises DianaError OVERLOADED once nobody waits; psycopg.Error."""
        with self._place(alive):
            link = self._begun()
            question = self._add(_Question(link, alive))
            try:
                yield link
            except psycopg.errors.QueryCanceled:
                raise _given_up() from None
            finally:
                self._end(question)

    def close(self) -> None:
        """Close those that are idle; nobody may read any more."""
        self._closed.set()
        with self._lock:
            while self._idle:
                self._idle.pop().close()
        if self._thread:
            self._thread.join()

    @contextmanager
    def _place(self, alive: Alive) -> Iterator[None]:
        while not self._places.acquire(timeout=_LOOK_SECONDS):
            if not alive():
                raise _given_up()
        try:
            yield
        finally:
            self._places.release()

    def _begun(self) -> Link:
        """One that the database ended meanwhile is left for another."""
        while True:
            with self._lock:
                link = self._idle.pop() if self._idle else None
            fresh = link is None
            link = link or self._connect()
            try:
                link.execute(_BEGIN)
            except psycopg.Error:
                link.close()
                if fresh:
                    raise
            else:
                return link

    def _add(self, question: _Question) -> _Question:
        with self._lock:
            self._questions.add(question)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="questions", daemon=True)
                self._thread.start()
        return question

    def _end(self, question: _Question) -> None:
        with self._lock:
            self._questions.discard(question)
        link = question.end()
        if link is not None:
            with self._lock:
                self._idle.append(link)

    def _look(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            with self._lock:
                questions = list(self._questions)
            for question in questions:
                question.look()


class Fetching:
    """Does statements within a transaction, and gets their rows few by few: a client else gets all rows at once."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._cursors = 0

    def __call__(self, sql: str, values: Sequence[Any]) -> Iterator[Any]:
        """The rows; the end of the transaction ends them too."""
        self._cursors += 1
        name = f"rows_{self._cursors}"
        self._link.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", values)
        while rows := self._link.execute(f"FETCH {_ROWS} FROM {name}").fetchall():
            yield from rows


class _Question:
    """A connection that a question has for itself."""

    def __init__(self, link: Link, alive: Alive) -> None:
        self._link = link
        self._alive = alive
        self._lock = threading.Lock()
        self._ended = self._cancelled = False

    def look(self) -> None:
        """Cancel what is read for nobody."""
        with self._lock:
            if not self._ended and not self._alive():
                self._cancelled = True
                self._link.cancel()

    def end(self) -> Link | None:
        """The connection for the next question; None if it is of no use: a cancel may come late, and hit that one."""
        with self._lock:
            self._ended = True
        self._link.rollback()
        if self._cancelled or self._link.lost or self._link.in_transaction:
            self._link.close()
            return None
        return self._link


def _given_up() -> DianaError:
    return DianaError(Reason.OVERLOADED, "The question was given up: nobody waited any more.")
