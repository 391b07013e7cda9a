"""The thread that looks after collections which no operation is at."""

from __future__ import annotations

import threading
import time

from diana_common.errors import DianaError, Reason
from diana_common.traces import frames
from diana_route.core.collecting_keeping import Keeper
from diana_route.core.collecting_shelf import Shelf
from diana_route.servicer.collect_operations import COLLECT
from diana_server.logs import logger
from diana_server.operations import Operation, OperationQueue

_LONGEST_LOOK_SECONDS = 10.0
_DAY_SECONDS = 86_400.0
_AT_A_TIME = 500


class Ends:
    """How operations of a queue ended."""

    def __init__(self, queue: OperationQueue) -> None:
        self._queue = queue

    def is_active(self, operation: str) -> bool:
        """Whether it has not ended."""
        found = self._found(operation)
        return found is not None and not found.state.ended

    def ended_before(self, operation: str, time: float) -> bool:
        """Whether it ended before then, or is known no more."""
        found = self._found(operation)
        return found is None or (found.end_time is not None and found.end_time < time)

    def _found(self, operation: str) -> Operation | None:
        try:
            return self._queue.get(operation)
        except DianaError as error:
            if error.reason is not Reason.OPERATION_NOT_FOUND:
                raise
            return None


def bind_active(queue: OperationQueue, collections: Shelf) -> None:
    """Bind collections whose operations were recorded just before the server ended. Before any is made."""
    before = None
    while page := queue.page(before, _AT_A_TIME, active_only=True):
        for operation in page:
            if operation.kind == COLLECT:
                collections.bind(operation.payload.decode(), operation.name)
        before = page[-1].number


class KeeperThread:
    """Has a keeper look again and again, from `start` to `stop`; at once to begin with."""

    def __init__(self, keeper: Keeper, look_seconds: float, stopping: threading.Event) -> None:
        """`look_seconds`: how long to leave what could not be cleared, at most."""
        self._keeper, self._look_seconds, self._stopping = keeper, min(look_seconds, _LONGEST_LOOK_SECONDS), stopping
        self._log = logger("route")
        self._forget_at = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="collections-keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def interrupt(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def stop(self) -> None:
        """End, once what is being cleared is, or cannot be."""
        self.interrupt()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except Exception as error:  # the thread must outlive a full disk
                self._log.error("collections not kept", error_type=type(error).__qualname__, frames=frames(error))
            self._stopping.wait(self._look_seconds)

    def _look(self) -> None:
        self._keeper.clear()
        if time.monotonic() >= self._forget_at:
            self._keeper.forget()
            self._forget_at = time.monotonic() + _DAY_SECONDS
