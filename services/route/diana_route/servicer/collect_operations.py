"""What does the operations of kind `route.collect`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from diana_common.attempts import RetryPolicy
from diana_route.core.collecting import Order, Steps
from diana_route.core.collecting_keeping import abandon
from diana_route.core.collecting_run import Clock, Run
from diana_route.core.collecting_shelf import Shelf
from diana_route.wire.collect import order_from_proto, request_of
from diana_server.operations import Work

COLLECT = "route.collect"
"""The kind of operations; the payload of each is its collection's key."""

_LOOK_SECONDS = 0.5


class Waiting:
    """Why collections do not go on now, by their keys. Safe to share between threads."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}
        self._lock = threading.Lock()

    def set(self, key: str, why: str) -> None:
        """Remember why; nothing when empty."""
        with self._lock:
            if why:
                self._why[key] = why
            else:
                self._why.pop(key, None)

    def get(self, key: str) -> str:
        """Why; empty if it goes on, or has ended."""
        with self._lock:
            return self._why.get(key, "")


class Turns:
    """One at a time for each collection: an operation that was cancelled may have to clear what it staged."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def of(self, key: str, work: Work) -> Iterator[None]:
        """Wait for a collection's turn, and have it. Leaves the operation where it is to stop."""
        with self._changed:
            while key in self._taken:
                self._changed.wait(_LOOK_SECONDS)
                work.raise_if_cancelled()
            self._taken.add(key)
        try:
            yield
        finally:
            self._give_back(key)

    @contextmanager
    def if_free(self, key: str) -> Iterator[bool]:
        """Have a collection's turn if nothing else has it: whether it is ours."""
        with self._changed:
            is_ours = key not in self._taken
            self._taken.add(key)
        try:
            yield is_ours
        finally:
            if is_ours:
                self._give_back(key)

    def _give_back(self, key: str) -> None:
        with self._changed:
            self._taken.discard(key)
            self._changed.notify_all()


def collect_handler(
    staging_store: str,
    collections: Shelf,
    turns: Turns,
    steps: Callable[[str, Order, Callable[[], bool]], Steps],
    retry: RetryPolicy,
    attempts: int,
    waiting: Waiting,
    is_cancelled: Callable[[str], bool],
) -> Callable[[Work], None]:
    """What does an operation. `steps` makes the steps of an order, given its collection's key and when to stop.

    `is_cancelled`: whether an operation, by its name, was cancelled; else it is to go on later.
    """
    clock = Clock()

    def handle(work: Work) -> None:
        key = work.payload.decode()
        order = order_from_proto(request_of(collections.get(key)), staging_store)
        collections.bind(key, work.operation)  # it may have been recorded, and the server have ended before this was
        waits = partial(waiting.set, key)
        made = steps(key, order, work.cancelled)
        with turns.of(key, work):
            run = Run(key, order, collections, made, work, retry, attempts, waits, clock)
            try:
                run.to_the_end()
            finally:
                if is_cancelled(work.operation):
                    run.record()
                    abandon(key, collections, made, clock.now)
                waits("")

    return handle
