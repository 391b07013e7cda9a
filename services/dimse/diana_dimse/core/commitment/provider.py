"""Storage commitment as provider (PS3.4 Annex J): requests are kept until their requestor has heard the result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from diana_common.errors import Code, DianaError, Reason
from diana_dimse.core.commitment.model import Asked, FailureReason, Reference, Result
from diana_dimse.core.worker import Worker

_THREADS = 3
_LOOK_SECONDS = 1.0
_LONGEST_SLEEP_SECONDS = 3600.0
_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 2.0, 900.0
_PASSING = frozenset({Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED, Code.ABORTED})


@dataclass(frozen=True)
class Transaction:
    """A request that was accepted."""

    number: int
    """Its place in the ledger."""

    store: str
    called: str
    """The AE title of ours that was asked."""

    calling: str
    """The AE title that asked, and is to hear the result."""

    asked: Asked
    accept_time: float
    """Seconds since 1970."""

    attempts: int = 0
    """How often its report failed."""


class Custody(Protocol):
    """The archive, as far as it knows what it holds for good."""

    def sop_classes(self, store: str, sop_instance_uids: Collection[str]) -> Mapping[str, str]:
        """The SOP Class UIDs of those instances that a store holds, by SOP Instance UID. Raises DianaError."""
        ...


class CommitmentLedger(Protocol):
    """Where transactions are kept; durable at every change. Raises DianaError DISK_FULL, STORE_DAMAGED."""

    def add(self, store: str, called: str, calling: str, asked: Asked, now: float) -> Transaction:
        """Keep one; the same one once more is the one that is there.

        Raises DianaError OVERLOADED, and REQUEST_ID_REUSED where that transaction asks for other instances.
        """
        ...

    def get(self, number: int) -> Transaction | None:
        """One; None where it is done with."""
        ...

    def due(self, now: float, but: Collection[int], but_calling: Collection[str]) -> Transaction | None:
        """One whose report is due, the oldest first."""
        ...

    def next_due_time(self, but: Collection[int], but_calling: Collection[str]) -> float | None:
        """When the next of these will be."""
        ...

    def postpone(self, number: int, due_time: float, failed: bool) -> None:
        """Have one be due later; `failed`: its report was tried."""
        ...

    def remove(self, number: int) -> None:
        """It is done with."""
        ...


class Messenger(Protocol):
    """Tells Application Entities of results, over associations of its own."""

    def report(self, transaction: Transaction, result: Result) -> None:
        """Raises DianaError AE_UNKNOWN, AE_UNAVAILABLE, ASSOCIATION_REJECTED, PEER_REFUSED."""
        ...


@dataclass(frozen=True)
class Patience:
    """How long what may still change is waited for."""

    arrival_seconds: float
    """How long instances may be under way, over other associations, when commitment to them is asked for."""

    report_seconds: float
    """For how long a requestor that cannot be told is tried."""


class Watch(Protocol):
    """Whoever looks after the door. Raises nothing."""

    def given_up(self, transaction: Transaction, error: DianaError) -> None:
        """A requestor could not be told for too long, or is nobody that can be called."""
        ...

    def fault(self, error: Exception) -> None:
        """Something that must not happen did."""
        ...


class Commitments:
    """All that are asked for. Safe to share between threads. `start` it, and `stop` it."""

    def __init__(
        self,
        ledger: CommitmentLedger,
        custody: Custody,
        messenger: Messenger,
        patience: Patience,
        watch: Watch,
        clock: Callable[[], float],
    ) -> None:
        """`clock`: seconds since 1970."""
        self._ledger, self._custody, self._messenger = ledger, custody, messenger
        self._patience, self._watch, self._clock = patience, watch, clock
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self._busy: set[str] = set()
        # A large request takes its share of memory; requestors that stay are served by as many threads as there are.
        self._judging = threading.BoundedSemaphore(_THREADS)
        self._worker = Worker("commitments", self.report_next, watch.fault, _THREADS)

    def start(self) -> None:
        """Report, those too that were left when the process ended."""
        self._worker.start()

    def stop(self) -> None:
        """Begin no more reports."""
        self._worker.stop()

    def accept(self, store: str, called: str, calling: str, asked: Asked) -> int:
        """Keep a request; its number. Whoever accepted it reports it, until `let_go`. Raises as the ledger's `add`."""
        with self._lock:
            number = self._ledger.add(store, called, calling, asked, self._clock()).number
            self._held.add(number)
        return number

    def result(self, number: int) -> Result | None:
        """What is to be reported; None while instances may still be under way.

        Raises DianaError where the archive does not answer now, OPERATION_NOT_FOUND where it was reported elsewhere.
        """
        with self._judging:
            transaction = self._ledger.get(number)
            if transaction is None:
                raise DianaError(Reason.OPERATION_NOT_FOUND, "The commitment was reported.")
            return self._judge(transaction)

    def let_go(self, number: int) -> None:
        """Whoever accepted it cannot report it: it will be reported over another association."""
        with self._lock:
            self._held.discard(number)
        self._worker.wake()

    def reported(self, number: int) -> None:
        """The requestor has heard. Raises DianaError."""
        self._ledger.remove(number)
        self.let_go(number)

    def report_next(self) -> float:
        """Report one that is due, one at a time to each Application Entity; the seconds until there may be more."""
        with self._lock:
            now = self._clock()
            transaction = self._ledger.due(now, self._held, self._busy)
            if transaction is None:
                due_time = self._ledger.next_due_time(self._held, self._busy)
                return _LONGEST_SLEEP_SECONDS if due_time is None else max(0.01, due_time - now)
            self._busy.add(transaction.calling)
        try:
            self._report(transaction)
        finally:
            with self._lock:
                self._busy.discard(transaction.calling)
            self._worker.wake()
        return 0

    def _judge(self, transaction: Transaction) -> Result | None:
        references = transaction.asked.references
        try:
            classes = self._custody.sop_classes(transaction.store, [one.sop_instance_uid for one in references])
        except DianaError as error:
            if error.code in _PASSING:
                raise
            failed = dict.fromkeys(references, int(FailureReason.PROCESSING_FAILURE))
            return Result(transaction.asked.transaction_uid, (), failed)
        may_arrive = self._clock() < transaction.accept_time + self._patience.arrival_seconds
        if may_arrive and any(one.sop_instance_uid not in classes for one in references):
            return None
        return _judged(transaction.asked, classes)

    def _report(self, transaction: Transaction) -> None:
        try:
            result = self._judge(transaction)
            if result is None:
                self._ledger.postpone(transaction.number, self._clock() + _LOOK_SECONDS, failed=False)
                return
            self._messenger.report(transaction, result)
            self._ledger.remove(transaction.number)
        except DianaError as error:
            self._try_later(transaction, error)
        except Exception as error:  # a fault of ours with one must not keep all others waiting
            self._watch.fault(error)
            self._try_later(transaction, DianaError(Reason.INTERNAL, "It could not be reported."))

    def _try_later(self, transaction: Transaction, error: DianaError) -> None:
        now = self._clock()
        # Who is not in the configuration will not be there without a restart, and strangers must not fill the ledger.
        is_hopeless = error.reason is Reason.AE_UNKNOWN
        if is_hopeless or now >= transaction.accept_time + self._patience.report_seconds:
            self._ledger.remove(transaction.number)
            self._watch.given_up(transaction, error)
            return
        backoff = min(_FIRST_BACKOFF_SECONDS * 2 ** min(transaction.attempts, 10), _LONGEST_BACKOFF_SECONDS)
        self._ledger.postpone(transaction.number, now + backoff, failed=True)


def _judged(asked: Asked, classes: Mapping[str, str]) -> Result:
    failed: dict[Reference, int] = {}
    for one in asked.references:
        found = classes.get(one.sop_instance_uid)
        if found is None:
            failed[one] = FailureReason.NO_SUCH_OBJECT_INSTANCE
        elif found != one.sop_class_uid:
            failed[one] = FailureReason.CLASS_INSTANCE_CONFLICT
    return Result(asked.transaction_uid, tuple(one for one in asked.references if one not in failed), failed)
