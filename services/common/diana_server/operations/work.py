"""A running operation as its handler sees it."""

from __future__ import annotations

import time
from collections.abc import Callable

from diana_common.errors import DianaError
from diana_server.errors import to_status
from diana_server.operations.model import Failure, Operation, Progress
from diana_server.operations.store import OperationStore

# Progress is written at most this often: it is for people's eyes.
_PROGRESS_SECONDS = 0.25
_PAGE = 1000


class Interrupted(BaseException):
    """Raised in a handler at a safe point because the operation is cancelled or the server stops.

    Not an Exception: a handler that catches errors of single items must not swallow it.
    """


class Work:
    """What a handler is given: its payload, where it left off, and how to say how far it is."""

    def __init__(self, operation: Operation, store: OperationStore, interrupted: Callable[[], bool]) -> None:
        self.operation = operation.name
        """The operation's resource name."""
        self.payload = operation.payload
        self.attempt = operation.attempts
        self.last_checkpoint = operation.checkpoint
        """What `checkpoint` kept last, in this or an earlier attempt; empty when it never did."""
        self._number = operation.number
        self._store = store
        self._interrupted = interrupted
        self._progress = operation.progress
        self._written = 0.0

    def progress(self, done: int, total: int, unit: str) -> None:
        """Say how far the work is: items done, items known to be there (0: unknown), what an item is."""
        self._progress = Progress(done, total, self._progress.failed, unit)
        if time.monotonic() - self._written >= _PROGRESS_SECONDS:
            self._write()

    def checkpoint(self, state: bytes) -> None:
        """Keep what a later attempt needs to go on from here."""
        self._write(state)

    def fail_item(self, item: str, error: DianaError) -> None:
        """Record an item that could not be done; `item` must not hold patient values."""
        self._store.add_failure(self._number, Failure(item, to_status(error).SerializeToString()))
        before = self._progress
        self._progress = Progress(before.done, before.total, before.failed + 1, before.unit)
        self._write()

    @property
    def failed_items(self) -> frozenset[str]:
        """The items that were recorded as failed, in earlier attempts too."""
        items: set[str] = set()
        after = 0
        while page := self._store.failures(self._number, after, _PAGE):
            items.update(failure.item for _, failure in page)
            after = page[-1][0]
        return frozenset(items)

    def cancelled(self) -> bool:
        """Whether the work should stop at its next safe point: cancelled, or the server stops."""
        return self._interrupted()

    def raise_if_cancelled(self) -> None:
        """Leave the handler here if the work should stop. Call it at every safe point."""
        if self._interrupted():
            raise Interrupted

    def flush(self) -> None:
        """Write the latest progress."""
        self._write()

    def _write(self, checkpoint: bytes | None = None) -> None:
        self._store.save_progress(self._number, self._progress, checkpoint)
        self._written = time.monotonic()
