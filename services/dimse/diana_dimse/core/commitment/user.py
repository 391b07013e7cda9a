"""Storage commitment as user (PS3.4 Annex J): asks a peer to keep instances, and waits for what it says of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from diana_common.errors import DianaError, Reason
from diana_dimse.core.commitment.model import Asked, FailureReason, Reference, Result, new_transaction_uid
from diana_dimse.core.outbound.peering import Cancelled, Correspondent

_MOST_REFERENCES = 2_000
_LOOK_SECONDS = 0.5


class Awaited:
    """The result of one transaction, which any association may bring."""

    def __init__(self) -> None:
        self.result: Result | None = None
        self._is_there = threading.Event()

    @property
    def is_there(self) -> bool:
        """Whether it has come."""
        return self._is_there.is_set()

    def settle(self, result: Result) -> None:
        """It comes. A second one changes nothing."""
        if not self.is_there:
            self.result = result
            self._is_there.set()

    def wait(self, seconds: float) -> bool:
        """Wait for it so long; whether it has come."""
        return self._is_there.wait(seconds)


class Expected:
    """All transactions whose result is awaited. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awaited: dict[str, Awaited] = {}

    @contextmanager
    def awaiting(self, transaction_uid: str) -> Iterator[Awaited]:
        """For as long as the block lasts."""
        awaited = Awaited()
        with self._lock:
            self._awaited[transaction_uid] = awaited
        try:
            yield awaited
        finally:
            with self._lock:
                del self._awaited[transaction_uid]

    def settle(self, result: Result) -> bool:
        """A result came; False where nobody waits for it. Its transaction UID, not to be guessed, is its credential."""
        with self._lock:
            awaited = self._awaited.get(result.transaction_uid)
        if awaited is None:
            return False
        awaited.settle(result)
        return True


class CommitmentProvider(Protocol):
    """Peers, as far as they commit themselves."""

    def request(self, peer: Correspondent, asked: Asked, settle: Callable[[Result], bool], over: Cancelled) -> None:
        """Ask a peer, and stay for its result until it ends the association or `over`.

        Raises DianaError AE_UNAVAILABLE, ASSOCIATION_REJECTED, PEER_REFUSED where it does not take the request.
        """
        ...


class Committer:
    """Asks. Safe to share between threads."""

    def __init__(
        self, provider: CommitmentProvider, expected: Expected, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._provider, self._expected, self._clock = provider, expected, clock

    def ask(
        self, peer: Correspondent, references: Sequence[Reference], cancelled: Cancelled = lambda: False
    ) -> dict[str, int]:
        """The Failure Reason (0008,1197), by SOP Instance UID, of each that the peer does not commit itself to keep.

        Each 2,000 are one transaction, which gets the peer's `commitment_seconds`. Raises DianaError as the provider's
        `request`, AE_UNAVAILABLE too where no result comes in time, STOPPING where it was `cancelled`.
        """
        failed: dict[str, int] = {}
        for start in range(0, len(references), _MOST_REFERENCES):
            failed |= self._ask(peer, tuple(references[start : start + _MOST_REFERENCES]), cancelled)
        return failed

    def _ask(self, peer: Correspondent, references: tuple[Reference, ...], cancelled: Cancelled) -> dict[str, int]:
        asked = Asked(new_transaction_uid(), references)
        until = self._clock() + peer.commitment_seconds
        with self._expected.awaiting(asked.transaction_uid) as awaited:

            def over() -> bool:
                return awaited.is_there or cancelled() or self._clock() >= until

            self._provider.request(peer, asked, self._expected.settle, over)
            while not over():
                awaited.wait(_LOOK_SECONDS)
            if awaited.result is not None:
                return _failures(asked, awaited.result)
        if cancelled():
            raise DianaError(Reason.STOPPING, "The commitment is not waited for any longer.")
        raise DianaError(Reason.AE_UNAVAILABLE, f"{peer.name} did not say in time what it commits itself to keep.")


def _failures(asked: Asked, result: Result) -> dict[str, int]:
    """What a result leaves out counts as failed."""
    committed = {one.sop_instance_uid for one in result.committed}
    failed = {one.sop_instance_uid: reason for one, reason in result.failed.items()}
    return {
        uid: failed.get(uid, int(FailureReason.PROCESSING_FAILURE))
        for uid in (one.sop_instance_uid for one in asked.references)
        if uid not in committed
    }
