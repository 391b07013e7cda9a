"""When a peer may be used and how fast: hours, instances a second, and patience while it cannot be reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from diana_common.errors import DianaError, Reason
from diana_dimse.core.outbound.peering import Correspondent

T = TypeVar("T")

_LOOK_SECONDS = 0.5
_CLOSED_SECONDS = 30.0
_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 2.0, 300.0
PASSING = frozenset({Reason.AE_UNAVAILABLE, Reason.PEER_UNAVAILABLE, Reason.OVERLOADED, Reason.STOPPING})
"""Why something cannot be had now, that can be later."""
_OUT_OF_RESOURCES = "A70"  # statuses A700, A701, A702 (PS3.4 Tables C.4-1 to C.4-3)


class Work(Protocol):
    """A running operation, as far as its rules need it."""

    last_checkpoint: bytes

    @property
    def failed_items(self) -> frozenset[str]:
        """The items that were recorded as failed, in earlier attempts too."""
        ...

    def progress(self, done: int, total: int, unit: str) -> None:
        """Say how far it is."""
        ...

    def checkpoint(self, state: bytes) -> None:
        """Keep what a later attempt needs."""
        ...

    def fail_item(self, item: str, error: DianaError) -> None:
        """Record an item that could not be done."""
        ...

    def cancelled(self) -> bool:
        """Whether to stop at the next safe point."""
        ...

    def raise_if_cancelled(self) -> None:
        """Leave here if the work should stop."""
        ...


class Waiting(Protocol):
    """Hears of what operations wait for, so that somebody can say why one does not go on."""

    def waits(self, peer: str, why: str, seconds: float) -> None:
        """An operation waits for a peer, or with one: for its HOURS, or because of an error's reason."""
        ...


@dataclass(frozen=True)
class Clock:
    """The time, and how it passes."""

    local: Callable[[], datetime] = datetime.now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Pace:
    """So many instances a second with one peer, by all operations together. Safe to share between threads."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        """`per_second`: 0 for no limit."""
        self._seconds_each = 1 / per_second if per_second else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = 0.0
        self.counted = 0
        """How many instances have gone."""

    def count(self, instances: int) -> None:
        """So many more have gone, or go now."""
        with self._lock:
            self.counted += instances
            self._free_at = max(self._free_at, self._clock.monotonic()) + instances * self._seconds_each

    def wait_seconds(self) -> float:
        """How long to wait before the next one."""
        with self._lock:
            return max(0.0, self._free_at - self._clock.monotonic())


class Turn:
    """One operation's use of a peer."""

    def __init__(self, peer: Correspondent, pace: Pace, work: Work, clock: Clock, waiting: Waiting) -> None:
        self.peer = peer
        self._pace, self._work, self._clock, self._waiting = pace, work, clock, waiting

    def wait(self) -> None:
        """Wait until the peer may be used. Leaves the operation where it is to stop."""
        self._work.raise_if_cancelled()
        if not self.is_open():
            self._waiting.waits(self.peer.name, "HOURS", _CLOSED_SECONDS)
        while not self.is_open():
            self.pause(_CLOSED_SECONDS)
        self.pause(self._pace.wait_seconds())

    def is_open(self) -> bool:
        """Whether the peer may be used at this hour."""
        return self.peer.is_open(self._clock.local())

    def sent(self, instances: int) -> None:
        """So many more instances have gone."""
        self._pace.count(instances)

    @contextmanager
    def counting(self) -> Iterator[Callable[[int], None]]:
        """The block tells what it is given how many instances went; what was counted meanwhile is not counted twice."""
        before = self._pace.counted
        yield lambda instances: self._pace.count(max(0, instances - (self._pace.counted - before)))

    def hold(self) -> None:
        """Wait before one more instance goes, but not longer than until the operation is to stop."""
        until = self._clock.monotonic() + self._pace.wait_seconds()
        while (left := until - self._clock.monotonic()) > 0 and not self._work.cancelled():
            self._clock.sleep(min(left, _LOOK_SECONDS))

    def patiently(self, ask: Callable[[], T], is_reachable: Callable[[], bool]) -> T:
        """What `ask` answers, asked again, each time later, while the other side is away or out of resources.

        Where it can be reached, and `ask` has broken as often as the configuration allows, that is let out.
        Raises DianaError of any other reason at once. Leaves the operation where it is to stop while it waits.
        """
        backoff, attempt = _FIRST_BACKOFF_SECONDS, 1
        while True:
            try:
                return ask()
            except DianaError as error:
                if not _passes(error):
                    raise
                if attempt >= self.peer.attempts:
                    if is_reachable():
                        raise
                    attempt = 0
                self._waiting.waits(self.peer.name, error.reason.name, backoff)
            attempt += 1
            self.pause(backoff)
            backoff = min(2 * backoff, _LONGEST_BACKOFF_SECONDS)

    def pause(self, seconds: float) -> None:
        """Let time pass. Leaves the operation where it is to stop."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, _LOOK_SECONDS))
            self._work.raise_if_cancelled()


def _passes(error: DianaError) -> bool:
    """Whether it may be otherwise in a while."""
    return error.reason in PASSING or error.metadata.get("status", "").startswith(_OUT_OF_RESOURCES)
