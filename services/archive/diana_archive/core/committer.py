"""The committer: the one thread that changes the catalogue, so that the feed has one order.

It takes whatever waits, makes all their bytes durable together, commits all their rows in one
transaction, and answers them all: a commit is shared by all that wait for it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from diana_archive.core.failures import from_commit, from_write
from diana_archive.core.ports import Catalogue, Changes, Draft, Meter, Objects
from diana_common.errors import DianaError, Reason

T = TypeVar("T")

_BATCH = 256
_MOST_WAITING_BYTES = 64 * 1024 * 1024
_LEAST_WEIGHT = 128 * 1024


class Change(Protocol):
    """A piece of work for the committer."""

    draft: Draft | None
    """Bytes to be made durable before the rows are committed."""
    weight: int
    """The memory it holds while it waits, in bytes."""

    def apply(self, changes: Changes) -> None:
        """Change the catalogue. May raise a DianaError, having changed nothing."""

    def done(self, error: DianaError | None) -> None:
        """It is durable, or it failed. Called once; must not raise, nor block."""


class Committer:
    """Start it, submit changes, close it: what was submitted before is still committed."""

    def __init__(self, catalogue: Catalogue, objects: Objects, publish: Callable[[int], None], meter: Meter) -> None:
        """`publish` is told the feed's head after each commit, before anyone is answered."""
        self._catalogue = catalogue
        self._objects = objects
        self._publish = publish
        self._meter = meter
        self._changed = threading.Condition()
        self._waiting: deque[Change] = deque()
        self._taken: deque[Change] = deque()
        self._weight = 0
        self._closing = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def check(self) -> None:
        """Raises DianaError STOPPING after `close`, INTERNAL when it ended by itself."""
        if self._closing:
            raise DianaError(Reason.STOPPING, "The archive is stopping.")
        if self._ended:
            raise _broken()

    def submit(self, change: Change) -> None:
        """Hand over a change; blocks while too much waits. Raises what `check` does, `done` is not called then."""
        weight = max(change.weight, _LEAST_WEIGHT)
        with self._changed:
            self._changed.wait_for(lambda: self._weight + weight <= _MOST_WAITING_BYTES or not self._weight)
            self.check()
            self._waiting.append(change)
            self._weight += weight
            self._changed.notify_all()

    def run(self, work: Callable[[Changes], T]) -> T:
        """Do `work` in a transaction and return what it returns, once that is durable, or raise what it raises."""
        call = _Call(work)
        self.submit(call)
        return call.answer.result()

    def close(self) -> None:
        """Commit what waits, then end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        troubles: list[Exception] = []
        try:
            while batch := self._take():
                self._commit(batch)
        except Exception as error:  # reported below, once nobody waits any more
            troubles.append(error)
        finally:
            self._end()
        self._report(troubles)

    def _end(self) -> None:
        """After a close nobody waits any more; after a failure of its own, whoever does is told."""
        with self._changed:
            self._ended = True
            left = [*self._taken, *self._waiting]
            self._waiting.clear()
            self._weight = 0
            self._changed.notify_all()
        for change in left:
            _done(change, _broken())

    def _take(self) -> list[Change]:
        """The next batch; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._meter.waiting(len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
            self._taken.extend(batch)
            return batch

    def _commit(self, batch: list[Change]) -> None:
        durable: list[Change] = batch
        failed: list[tuple[Change, DianaError]] = []
        troubles: list[Exception] = []
        try:
            durable, failed = self._make_durable(batch)
            with self._catalogue.transaction() as changes:
                for change in durable:
                    if error := _apply(change, changes):
                        failed.append((change, error))
                head = changes.head()
        except Exception as error:  # whatever it was, those who wait must be told
            troubles.append(error)
            failed = [*failed, *((change, from_commit(error)) for change in durable)]
        else:
            self._publish(head)
        troubles += self._answer(batch, {id(change): error for change, error in failed})
        self._meter.committed(len(batch))
        self._report(troubles)

    def _make_durable(self, batch: Sequence[Change]) -> tuple[list[Change], list[tuple[Change, DianaError]]]:
        drafts = [change.draft for change in batch if change.draft]
        failures = iter(self._objects.make_durable(drafts))
        durable, failed = [], []
        for change in batch:
            if change.draft and (failure := next(failures)):
                failed.append((change, from_write(failure)))
            else:
                durable.append(change)
        return durable, failed

    def _answer(self, batch: Sequence[Change], failed: dict[int, DianaError]) -> list[Exception]:
        troubles = []
        while self._taken:
            change = self._taken.popleft()
            if trouble := _done(change, failed.get(id(change))):
                troubles.append(trouble)
        with self._changed:
            self._weight -= sum(max(change.weight, _LEAST_WEIGHT) for change in batch)
            self._changed.notify_all()
        return troubles

    def _report(self, troubles: Sequence[Exception]) -> None:
        # A log that cannot be written, on a disk that is full, must not end the commits.
        with suppress(Exception):
            for trouble in troubles:
                self._meter.failed(trouble)


class _Call(Generic[T]):
    """A change that somebody waits for."""

    weight = 0

    def __init__(self, work: Callable[[Changes], T]) -> None:
        self.answer: Future[T] = Future()
        self.draft: Draft | None = None
        self._work = work
        self._result: T

    def apply(self, changes: Changes) -> None:
        with changes.part():
            try:
                self._result = self._work(changes)
            except OSError as error:
                raise from_write(error) from error

    def done(self, error: DianaError | None) -> None:
        if error:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(self._result)


def _broken() -> DianaError:
    return DianaError(Reason.INTERNAL, "The archive stopped committing; it must be started anew.")


def _done(change: Change, error: DianaError | None) -> Exception | None:
    try:
        change.done(error)
    except Exception as trouble:  # what one of them does with its answer is nothing to the others
        return trouble
    return None


def _apply(change: Change, changes: Changes) -> DianaError | None:
    try:
        change.apply(changes)
    except DianaError as error:
        return error
    return None
