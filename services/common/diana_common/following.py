"""Following a feed for as long as a service lives, from where it was left."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from diana_common.errors import DianaError, Reason

_BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_NO_WAY_ON = (Reason.EPOCH_CHANGED, Reason.POSITION_INVALID)


class Batch(Protocol):
    """What a feed tells at a time."""

    @property
    def position(self) -> str:
        """Up to where everything is known then."""
        ...


B = TypeVar("B", bound=Batch)
Yielded = TypeVar("Yielded", covariant=True)
Taken = TypeVar("Taken", bound=Batch, contravariant=True)


class Watch(Protocol[Yielded]):
    """A feed being followed."""

    def __iter__(self) -> Iterator[Yielded]:
        """The batches, as they come.

        Raises DianaError: EPOCH_CHANGED or POSITION_INVALID if there is no following from that position,
        PEER_UNAVAILABLE if the feed cannot be reached.
        """
        ...

    def cancel(self) -> None:
        """End it, from any thread: the iteration stops. Does nothing once it has ended."""
        ...


class Feed(Protocol[Yielded]):
    """A feed that can be followed."""

    def head(self) -> str:
        """The position of its newest entry; empty while there is none. Raises DianaError."""
        ...

    def watch(self, after: str, stores: Sequence[str]) -> Watch[Yielded]:
        """Follow it, as far as some stores go, after a position; from the beginning if that is empty."""
        ...


class Place(Protocol[Taken]):
    """Where a follower is, durably, and what it makes of batches. Every method may raise DianaError."""

    def position(self) -> str | None:
        """Up to where the feed was followed; None if it never was."""
        ...

    def begin(self, position: str) -> None:
        """The feed is followed from here on."""
        ...

    def apply(self, batch: Taken) -> None:
        """Take a batch and its position: both or neither."""
        ...

    def forget(self) -> None:
        """As if the feed had never been followed."""
        ...


class Lost(Protocol):
    """Is told when following breaks off; it goes on by itself."""

    def __call__(self, error: DianaError) -> None: ...


class Following(Generic[B]):
    """Takes what a feed tells, in a thread of its own.

    The first time it begins at the feed's head: what had happened before is nobody's news. The same after an archive
    was restored or rebuilt, since old positions mean nothing then. In between it goes on where it was, so that nothing
    is missed while the service does not run.
    """

    def __init__(self, feed: Feed[B], stores: Sequence[str], place: Place[B], lost: Lost) -> None:
        self._feed = feed
        self._stores = stores
        self._place = place
        self._lost = lost
        self._trouble: DianaError | None = None
        self._watch: Watch[B] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="following", daemon=True)

    @property
    def trouble(self) -> DianaError | None:
        """Why nothing is heard at the moment; None if all is well, or nothing was tried yet."""
        return self._trouble

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End the following; what is being taken is finished."""
        with self._lock:
            self._stopping.set()
            if self._watch is not None:
                self._watch.cancel()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            try:
                if self._follow():
                    attempt = 0
            except DianaError as error:
                self._tell(error)
            except Exception as error:  # whatever goes wrong, the following must go on
                self._tell(DianaError(Reason.INTERNAL, f"Following failed: {type(error).__name__}."))
            self._stopping.wait(_BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS) - 1)])
            attempt += 1

    def _tell(self, error: DianaError) -> None:
        if not self._stopping.is_set():
            self._trouble = error
            self._lost(error)

    def _follow(self) -> bool:
        """Follow until the watch ends; whether anything was heard."""
        position = self._place.position()
        if position is None:
            position = self._feed.head()
            self._place.begin(position)
        with self._lock:
            if self._stopping.is_set():
                return False
            watch = self._watch = self._feed.watch(position, self._stores)
        try:
            return self._hear(watch, position)
        except DianaError as error:
            if error.reason in _NO_WAY_ON:
                self._place.forget()
            raise
        finally:
            watch.cancel()

    def _hear(self, watch: Watch[B], position: str) -> bool:
        heard = False
        for batch in watch:
            heard = True
            self._trouble = None
            if batch.position != position:
                self._place.apply(batch)
                position = batch.position
        return heard
