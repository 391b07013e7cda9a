"""Trying what is in a durable queue, for as long as a service lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Generic, Protocol, TypeVar

from diana_common.attempts.failures import Failed, Parted, Postponed, Refused, Unreachable
from diana_common.attempts.limits import Limits, Paces
from diana_common.attempts.retrying import RetryPolicy
from diana_common.attempts.targets import WORKERS, Targets

_UNLIMITED = Limits()
_LOOK_SECONDS = 60.0
_LEDGER_SECONDS = 1.0
_SWEEP_SECONDS = 3600.0


class Piece(Protocol):
    """What is tried at a time: one entry of the queue, or several together."""

    @property
    def numbers(self) -> Collection[int]:
        """The entries' numbers."""
        ...

    @property
    def target(self) -> str:
        """What fails together with others."""
        ...

    @property
    def attempt_count(self) -> int:
        """How often it was tried before."""
        ...

    @property
    def create_time(self) -> float:
        """Since when it is in the queue, in seconds since the epoch."""
        ...


P = TypeVar("P", bound=Piece)
Seen = TypeVar("Seen", bound=Piece, contravariant=True)


class Queue(Protocol[P]):
    """Durable entries. Safe to share between threads; what returned has survived a power cut."""

    def waiting(self, but: Collection[int]) -> list[tuple[str, float]]:
        """Each target that has entries, those of the numbers in `but` aside, and when the first is due."""
        ...

    def next_for(self, target: str, now: float, but: Collection[int]) -> P | None:
        """What is due first for a target, if it is due; none of the numbers in `but`."""
        ...

    def succeeded(self, piece: P, now: float) -> None:
        """An attempt succeeded."""
        ...

    def failed(self, piece: P, why: str, due_time: float) -> None:
        """An attempt failed; there will be another one."""
        ...

    def dead(self, piece: P, why: str, now: float) -> None:
        """An attempt failed, and it was the last one."""
        ...

    def bury(self, target: str, created_before: float, why: str, now: float) -> int:
        """Give up what has waited for a target since long ago; how many entries that were."""
        ...

    def forget(self, ended_before: float) -> None:
        """Drop what ended long ago."""
        ...

    def hasten(self, latest: float) -> None:
        """Let nothing wait beyond a time: what does was put off while the clock was ahead."""
        ...


class Observer(Protocol[Seen]):
    """Is told what becomes of attempts. Its methods are quick and never raise."""

    def succeeded(self, piece: Seen) -> None:
        """It is done."""
        ...

    def failed(self, piece: Seen, why: str) -> None:
        """An attempt failed; there will be another one."""
        ...

    def dead(self, piece: Seen, why: str, count: int) -> None:
        """So many entries are given up, this piece's or others like it."""
        ...

    def stumbled(self, error: Exception) -> None:
        """Something failed that should not have; it will be tried again."""
        ...


class Attempting(Generic[P]):
    """A few threads that take what is due and try it.

    An entry is under way once at a time. What was not recorded as done before this process ended is tried again by the
    next one, under the same name.
    """

    def __init__(
        self,
        queue: Queue[P],
        attempt: Callable[[P], None],
        policy: RetryPolicy,
        keep_seconds: float,
        observer: Observer[P],
        limits: Limits = _UNLIMITED,
    ) -> None:
        """`attempt` raises Failed, or Parted; whatever else it raises counts as Postponed.

        `limits` says how often targets are tried; a piece counts as one.
        """
        self._queue = queue
        self._attempt = attempt
        self._policy = policy
        self._keep_seconds = keep_seconds
        self._observer = observer
        self._changed = threading.Condition()
        self._targets = Targets(policy, Paces(limits, time.time()))
        self._under_way: set[int] = set()
        self._next_sweep = 0.0
        self._looked = 0.0
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"attempts-{number}", daemon=True) for number in range(WORKERS)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no further attempt, and wait for those under way."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def wake(self) -> None:
        """Something new is queued."""
        with self._changed:
            self._changed.notify()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                if piece := self._take():
                    self._try(piece)
            except Exception as error:  # a queue that fails now must not end the work for good
                self._observer.stumbled(error)
                self._stopping.wait(_LEDGER_SECONDS)

    def _take(self) -> P | None:
        """The next piece, under way from now on; None when it is time to look again."""
        with self._changed:
            now = time.time()
            self._follow_clock(now)
            self._sweep(now)
            target, look_again = self._targets.choose(self._queue.waiting(self._under_way), now)
            piece = self._queue.next_for(target, now, self._under_way) if target is not None else None
            if piece is None:
                self._wait(look_again - now if target is None else _LEDGER_SECONDS)
                return None
            self._under_way.update(piece.numbers)
            self._targets.begin(piece.target, now)
            self._changed.notify()  # there may be more for another thread
            return piece

    def _wait(self, seconds: float) -> None:
        if not self._stopping.is_set():
            self._changed.wait(max(min(seconds, _LOOK_SECONDS), 0.0))

    def _follow_clock(self, now: float) -> None:
        """Wait for nothing longer than one does, where the clock was put back since it was last looked at."""
        if now < self._looked:
            latest = now + self._policy.longest_seconds
            self._queue.hasten(latest)
            self._targets.hasten(latest, now)
            self._next_sweep = now
        self._looked = now

    def _sweep(self, now: float) -> None:
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_SECONDS
            self._queue.forget(now - self._keep_seconds)

    def _try(self, piece: P) -> None:
        parts = self._parts(piece)
        pauses = [failure.retry_after for _, failure in parts if isinstance(failure, Unreachable)]
        now = time.time()
        with self._changed:
            next_time, failing_since = now, now
            if pauses:
                next_time, failing_since = self._targets.unreachable(piece.target, now, max(pauses))
            else:
                self._targets.answered(piece.target)
        try:
            for part, failure in parts:
                self._settle(part, failure, now, next_time, failing_since)
        finally:
            with self._changed:  # this thread looks for more by itself
                self._under_way.difference_update(piece.numbers)

    def _settle(self, piece: P, failure: Failed | None, now: float, next_time: float, failing_since: float) -> None:
        if failure is None:
            self._record(lambda: self._queue.succeeded(piece, now))
            self._observer.succeeded(piece)
        else:
            self._record_failure(piece, failure, now, next_time)
            self._bury(piece, failure, now, failing_since)

    def _parts(self, piece: P) -> Sequence[tuple[P, Failed | None]]:
        """The piece, or its parts where they fared differently, and how each failed, if it did."""
        try:
            self._attempt(piece)
        except Parted as parted:
            return parted.parts
        except Failed as failure:
            return [(piece, failure)]
        except Exception as error:
            self._observer.stumbled(error)
            return [(piece, Postponed(f"failed here ({type(error).__name__})"))]
        return [(piece, None)]

    def _record_failure(self, piece: P, failure: Failed, now: float, next_time: float) -> None:
        too_old = piece.attempt_count > 0 and now - piece.create_time >= self._policy.give_up_seconds
        if isinstance(failure, Refused) or too_old:
            self._record(lambda: self._queue.dead(piece, failure.why, now))
            self._observer.dead(piece, failure.why, len(piece.numbers))
            return
        if isinstance(failure, Postponed):
            next_time = now + max(self._policy.delay_after(piece.attempt_count + 1), failure.retry_after)
        self._record(lambda: self._queue.failed(piece, failure.why, next_time))
        self._observer.failed(piece, failure.why)

    def _bury(self, piece: P, failure: Failed, now: float, failing_since: float) -> None:
        """What waited behind a target that was dead all the time ends with it."""
        give_up = self._policy.give_up_seconds
        if isinstance(failure, Unreachable) and now - failing_since >= give_up:
            count = self._queue.bury(piece.target, now - give_up, failure.why, now)
            self._observer.dead(piece, failure.why, count)

    def _record(self, write: Callable[[], None]) -> None:
        """Write to the queue, for as long as it takes: what is forgotten as done is done again."""
        while True:
            try:
                write()
                return
            except Exception as error:
                self._observer.stumbled(error)
                if self._stopping.wait(_LEDGER_SECONDS):
                    return
