"""Following the archive's feed, so that rules hear of every entry exactly once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from diana_common.errors import DianaError, Reason
from diana_notify.core.ledger import Ledger
from diana_notify.core.rules import Rules, StudyCompleted

_BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_NO_WAY_ON = (Reason.EPOCH_CHANGED, Reason.POSITION_INVALID)


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """The next events that rules know, and the position up to which there are no others."""

    events: Sequence[StudyCompleted]
    position: str


class Watch(Protocol):
    """A feed being followed."""

    def __iter__(self) -> Iterator[FeedBatch]:
        """The batches, as they come.

        Raises DianaError: EPOCH_CHANGED or POSITION_INVALID if there is no following from that position,
        PEER_UNAVAILABLE if the archive cannot be reached.
        """
        ...

    def cancel(self) -> None:
        """End it, from any thread: the iteration stops. Does nothing once it has ended."""
        ...


class Archive(Protocol):
    """What is asked of the archive."""

    def head(self) -> str:
        """The position of the feed's newest entry; empty while there is none. Raises DianaError."""
        ...

    def watch(self, after: str, stores: Sequence[str]) -> Watch:
        """Follow the feed of some stores after a position; from the beginning if that is empty."""
        ...


class Lost(Protocol):
    """Is told when following breaks off; it goes on by itself."""

    def __call__(self, error: DianaError) -> None: ...


class Follower:
    """Turns what the feed tells into messages, in a thread of its own.

    The first time it begins at the feed's head: what had happened before there was a rule is nobody's news.
    The same after the archive was restored or rebuilt, since old positions mean nothing then. In between it
    goes on where it was, so that nothing is missed while notify does not run.
    """

    def __init__(self, archive: Archive, rules: Rules, ledger: Ledger, queued: Callable[[], None], lost: Lost) -> None:
        """`queued` is called whenever there may be something new to deliver."""
        self._archive = archive
        self._rules = rules
        self._ledger = ledger
        self._queued = queued
        self._lost = lost
        self._watch: Watch | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Begin to follow, if there are rules; without any, the next rule begins at the head again."""
        if self._rules:
            self._thread.start()
        else:
            self._ledger.forget_position()

    def check_ready(self) -> None:
        """Raise PEER_UNAVAILABLE until it is known where to begin: studies that complete before make no messages."""
        if self._rules and self._ledger.position() is None:
            raise DianaError(Reason.PEER_UNAVAILABLE, "The archive was never reached; the rules do not work yet.")

    def stop(self) -> None:
        """End the following; what is being recorded is finished."""
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
            self._lost(error)

    def _follow(self) -> bool:
        """Follow until the watch ends; whether anything was heard."""
        position = self._ledger.position()
        if position is None:
            position = self._archive.head()
            self._ledger.add_followed([], time.time(), position)
        with self._lock:
            if self._stopping.is_set():
                return False
            watch = self._watch = self._archive.watch(position, self._rules.stores)
        try:
            return self._hear(watch, position)
        except DianaError as error:
            if error.reason in _NO_WAY_ON:
                self._ledger.forget_position()
            raise
        finally:
            watch.cancel()

    def _hear(self, watch: Watch, position: str) -> bool:
        heard = False
        for batch in watch:
            heard = True
            if batch.position != position:
                self._apply(batch)
                position = batch.position
        return heard

    def _apply(self, batch: FeedBatch) -> None:
        messages = [message for event in batch.events for message in self._rules.messages(event)]
        self._ledger.add_followed(messages, time.time(), batch.position)
        if messages:
            self._queued()
