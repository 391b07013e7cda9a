"""The generations of a PostgreSQL database, for one of the processes that share it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg

from diana_common.postgres import Link, typed
from diana_index.core.store import Generation
from diana_index.core.vocabulary import Vocabulary
from diana_index.stores import postgres_ledger as ledger
from diana_index.stores.postgres import PostgresGeneration
from diana_index.stores.search_keys import read_vocabulary

_LOOK_SECONDS = 0.3
_STILL_SECONDS = 30


class PostgresGenerations:
    """Opens the generation that answers, or makes an empty one; a thread sees what other processes do.

    It is also the process's turn to follow (core.follow.Turn): one session at a time has the lock.
    """

    def __init__(self, url: str) -> None:
        """Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER, PEER_UNAVAILABLE."""
        self._url = url
        self._lock = threading.Lock()
        self._open: dict[int, PostgresGeneration] = {}
        self._users: Counter[int] = Counter()
        """How many use each open generation; the active one counts as used by this object."""
        self._session_lock = threading.Lock()
        self._session: Link | None = None
        self._held: set[int] = set()
        """What the session keeps from going."""
        self._still: Link | None = None
        self._is_mine = False
        self._look: Callable[[], None] = lambda: None
        self._stopping = threading.Event()
        with self._session_lock, typed("database_url"):
            self._active = self._opened(self._linked(), None)
            self._try_turn(usable=True)
        self._thread = threading.Thread(target=self._run, name="generations", daemon=True)
        self._thread.start()

    @contextmanager
    def active(self) -> Iterator[PostgresGeneration]:
        """The generation that answers now; it stays usable inside the context."""
        with self._lock:
            generation = self._active
            self._users[generation.number] += 1
        try:
            yield generation
        finally:
            self._release(generation)

    def create(self) -> PostgresGeneration:
        """A new, empty one that answers nothing yet. Raises DianaError PEER_UNAVAILABLE, DISK_FULL."""
        with self._session_lock, typed():
            number = ledger.create(self._linked())
            self._held.add(number)
            return self._add(PostgresGeneration(self._url, number, in_making=True))

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """No process writes into what answers, while its successor reads the last of the feed."""
        with typed(), closing(Link(self._url)) as link:
            link.execute("SELECT set_config('lock_timeout', ?, false)", (f"{_STILL_SECONDS}s",))
            link.execute("SELECT pg_advisory_lock(?)", (ledger.STILL,))
            self._still = link
            try:
                yield
            finally:
                self._still = None

    def adopt(self, generation: Generation) -> None:
        """Have a created one answer in all processes; the one before goes when its last user has, in any of them.

        Raises DianaError PEER_UNAVAILABLE, DISK_FULL: it may then have been done.
        """
        adopted = self._own(generation)
        with self._session_lock, typed():
            ledger.point(self._still or self._linked(), adopted.number)
            self._switch(adopted)

    def discard(self, generation: Generation) -> None:
        """Throw a created one away, unless it turns out to answer."""
        own = self._own(generation)
        if own is not self._active:
            self._release(own)

    def page_token_key(self) -> bytes:
        """The key that seals page tokens, kept in the database; who reads that reads the records too."""
        with self._session_lock, typed():
            return ledger.read_page_token_key(self._linked())

    def is_mine(self) -> bool:
        """Whether this process is the one that follows."""
        return self._is_mine

    def on_look(self, look: Callable[[], None]) -> None:
        """Have `look` called whenever this one has looked at what other processes do."""
        self._look = look

    def close(self) -> None:
        """Close every generation; nobody may use one any more. Another process may follow from now on."""
        self._stopping.set()
        self._thread.join()
        with self._lock:
            for generation in self._open.values():
                generation.close()
        with self._session_lock:
            self._lose()

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            with self._session_lock:
                try:
                    self._see()
                except Exception:  # whatever goes wrong, the looking must go on
                    self._lose()
            self._look()

    def _see(self) -> None:
        """Look at what other processes did. Raises psycopg.Error, DianaError."""
        link = self._linked()
        active = ledger.read_active(link)
        usable = active is None or active.usable
        # What a newer program made is for that one to fill: this one goes on to answer, and follows no more.
        if usable and (active is None or active.number != self._active.number):
            self._switch(self._opened(link, active))
        self._try_turn(usable)
        self._learn(link)
        with self._lock:
            used = set(self._open)
        for number in self._held - used:
            ledger.leave(link, number)
        self._held &= used
        ledger.clear(link, used)

    def _learn(self, link: Link) -> None:
        """Tell the active generation of search keys that another process made."""
        learnt, generation = self._active.learnt, self._active
        try:
            vocabulary = _vocabulary(link, generation.number)
        except psycopg.Error:
            if link.lost:
                raise
            return  # its tables are damaged, which whoever follows notices
        if generation.learnt == learnt:
            generation.learn(vocabulary)

    def _linked(self) -> Link:
        """The session, made anew if it was lost, with a hold on all that is used."""
        if self._session is not None and not self._session.lost:
            return self._session
        self._lose()
        link = Link(self._url, "database_url")
        try:
            ledger.prepare(link)
            with self._lock:
                used = list(self._open)
            self._held = {number for number in used if ledger.use(link, number)}
        except BaseException:
            link.close()
            raise
        self._session = link
        return link

    def _lose(self) -> None:
        self._is_mine = False
        self._held = set()
        if self._session:
            self._session.close()
            self._session = None

    def _try_turn(self, usable: bool) -> None:
        link = self._linked()
        if usable and not self._is_mine:
            self._is_mine = bool(link.value("SELECT pg_try_advisory_lock(?)", (ledger.FOLLOWING,)))
        elif self._is_mine and not usable:
            self._is_mine = False
            link.execute("SELECT pg_advisory_unlock(?)", (ledger.FOLLOWING,))

    def _opened(self, link: Link, active: ledger.Active | None) -> PostgresGeneration:
        """The generation that answers, kept from going."""
        while True:
            number = active.number if active else ledger.prepare(link)
            with self._lock:
                known = self._open.get(number)
            if known:
                return known
            if number in self._held or ledger.use(link, number):
                self._held.add(number)
                generation = PostgresGeneration(self._url, number)
                generation.learn(_vocabulary(link, number))
                return self._add(generation)
            active = None

    def _add(self, generation: PostgresGeneration) -> PostgresGeneration:
        with self._lock:
            self._open[generation.number] = generation
            self._users[generation.number] = 1
        return generation

    def _switch(self, generation: PostgresGeneration) -> None:
        """Answer from another one."""
        generation.in_making = False
        with self._lock:
            before, self._active = self._active, generation
        if before is not generation:
            self._release(before)

    def _release(self, generation: PostgresGeneration) -> None:
        with self._lock:
            self._users[generation.number] -= 1
            if self._users[generation.number]:
                return
            del self._users[generation.number], self._open[generation.number]
        generation.close()

    def _own(self, generation: Generation) -> PostgresGeneration:
        with self._lock:
            return next(one for one in self._open.values() if one is generation)


def _vocabulary(link: Link, number: int) -> Vocabulary:
    link.execute("SELECT set_config('search_path', ?, false)", (ledger.schema_name(number),))
    return read_vocabulary(link)
