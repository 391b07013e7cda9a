"""Carrying what is queued, for as long as the service lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from diana_notify.core.carriers import Carrier, Postponed, Refused, Undelivered, Unreachable
from diana_notify.core.ledger import Ledger
from diana_notify.core.model import Parcel, Transport
from diana_notify.core.retrying import RetryPolicy
from diana_notify.core.targets import WORKERS, Targets

_LOOK_SECONDS = 60.0
_LEDGER_SECONDS = 1.0
_SWEEP_SECONDS = 3600.0
_NOT_CONFIGURED = "the transport is not configured"


class Observer(Protocol):
    """Is told what becomes of messages. Its methods are quick and never raise."""

    def sent(self, parcel: Parcel) -> None:
        """The other side has taken it."""
        ...

    def failed(self, parcel: Parcel, why: str) -> None:
        """An attempt failed; there will be another one."""
        ...

    def dead(self, transport: Transport, why: str, count: int = 1) -> None:
        """Messages are given up."""
        ...

    def stumbled(self, error: Exception) -> None:
        """Something failed that should not have; it will be tried again."""
        ...


class Deliverer:
    """A few threads that take what is due and hand it to its carrier.

    A delivery is under way once at a time. What was not recorded as sent before this process ended is tried
    again by the next one, under the same name.
    """

    def __init__(
        self,
        ledger: Ledger,
        carriers: Mapping[Transport, Carrier],
        policy: RetryPolicy,
        keep_seconds: float,
        observer: Observer,
    ) -> None:
        self._ledger = ledger
        self._carriers = carriers
        self._policy = policy
        self._keep_seconds = keep_seconds
        self._observer = observer
        self._changed = threading.Condition()
        self._targets = Targets(policy)
        self._under_way: set[int] = set()
        self._next_sweep = 0.0
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"deliverer-{number}", daemon=True) for number in range(WORKERS)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no further attempt, and wait for those under way."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def wake(self) -> None:
        """Something new is queued."""
        with self._changed:
            self._changed.notify_all()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                if parcel := self._take():
                    self._deliver(parcel)
            except Exception as error:  # a ledger that fails now must not end delivering for good
                self._observer.stumbled(error)
                self._stopping.wait(_LEDGER_SECONDS)

    def _take(self) -> Parcel | None:
        """The next parcel, under way from now on; None when it is time to look again."""
        with self._changed:
            now = time.time()
            self._sweep(now)
            target, look_again = self._targets.choose(self._ledger.waiting(self._under_way), now)
            parcel = self._ledger.next_for(target, now, self._under_way) if target is not None else None
            if parcel is None:
                self._wait(look_again - now)
                return None
            self._under_way.add(parcel.delivery.number)
            self._targets.begin(parcel.target)
            return parcel

    def _wait(self, seconds: float) -> None:
        if not self._stopping.is_set():
            self._changed.wait(max(min(seconds, _LOOK_SECONDS), 0.0))

    def _sweep(self, now: float) -> None:
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_SECONDS
            self._ledger.forget(now - self._keep_seconds)

    def _deliver(self, parcel: Parcel) -> None:
        failure = self._attempt(parcel)
        now = time.time()
        with self._changed:
            next_time, failing_since = now, now
            if isinstance(failure, Unreachable):
                next_time, failing_since = self._targets.unreachable(parcel.target, now)
            else:
                self._targets.answered(parcel.target)
        try:
            if failure is None:
                self._record(lambda: self._ledger.sent(parcel.delivery.number, now))
                self._observer.sent(parcel)
            else:
                self._record_failure(parcel, failure, now, next_time)
                self._bury(parcel, failure, now, failing_since)
        finally:
            with self._changed:
                self._under_way.discard(parcel.delivery.number)
                self._changed.notify_all()

    def _attempt(self, parcel: Parcel) -> Undelivered | None:
        carrier = self._carriers.get(parcel.delivery.recipient.transport)
        try:
            if carrier is None:
                raise Unreachable(_NOT_CONFIGURED)
            carrier.carry(parcel)
        except Undelivered as failure:
            return failure
        except Exception as error:
            self._observer.stumbled(error)
            return Postponed(f"failed here ({type(error).__name__})")
        return None

    def _record_failure(self, parcel: Parcel, failure: Undelivered, now: float, next_time: float) -> None:
        delivery = parcel.delivery
        too_old = delivery.attempt_count > 0 and now - delivery.create_time >= self._policy.give_up_seconds
        if isinstance(failure, Refused) or too_old:
            self._record(lambda: self._ledger.dead(delivery.number, failure.why, now))
            self._observer.dead(delivery.recipient.transport, failure.why)
            return
        if isinstance(failure, Postponed):
            next_time = now + self._policy.delay_after(delivery.attempt_count + 1)
        self._record(lambda: self._ledger.failed(delivery.number, failure.why, next_time))
        self._observer.failed(parcel, failure.why)

    def _bury(self, parcel: Parcel, failure: Undelivered, now: float, failing_since: float) -> None:
        """What waited behind a target that was dead all the time ends with it."""
        give_up = self._policy.give_up_seconds
        if isinstance(failure, Unreachable) and now - failing_since >= give_up:
            count = self._ledger.bury(parcel.target, now - give_up, failure.why, now)
            self._observer.dead(parcel.delivery.recipient.transport, failure.why, count)

    def _record(self, write: Callable[[], None]) -> None:
        """Write to the ledger, for as long as it takes: a message that is forgotten as sent is sent again."""
        while True:
            try:
                write()
                return
            except Exception as error:
                self._observer.stumbled(error)
                if self._stopping.wait(_LEDGER_SECONDS):
                    return
