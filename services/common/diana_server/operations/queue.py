"""The durable work queue: it records operations, runs them in worker threads, and resumes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from google.protobuf import any_pb2
from google.protobuf.message import Message

from diana_common.errors import DianaError, Reason
from diana_common.traces import frames
from diana_server import metrics
from diana_server.errors import to_status, unknown_error
from diana_server.logs import logger
from diana_server.operations.model import Failure, Operation, State
from diana_server.operations.store import OperationStore
from diana_server.operations.work import Interrupted, Work

T = TypeVar("T")
Handler = Callable[[Work], Message | None]

# An operation that takes the whole process down with it is not begun for ever.
_MOST_CRASHES = 5
_LONGEST_WAIT_SECONDS = 3600.0
# How long a worker leaves a store alone that fails, its disk being full, say.
_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 0.1, 10.0
# How long a worker goes on before it asks the store again whether to: some pass hundreds of safe points a second.
_LOOK_SECONDS = 0.05


class OperationQueue:
    """A service's operations. Register handlers, then `start`; `stop` puts what runs back."""

    def __init__(self, place: Path | str, service: str, workers: int = 1, keep_days: float = 30.0) -> None:
        """`place` is a file, or the URL of a PostgreSQL database that several processes share."""
        self._store = OperationStore(place)
        self._service = service
        self._log = logger(service)
        self._keep_seconds = keep_days * 86400
        self._handlers: dict[str, Handler] = {}
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._cancels = 0
        self._workers = [
            threading.Thread(target=self._work, name=f"operation-{number}", daemon=True) for number in range(workers)
        ]

    def register(self, kind: str, handler: Handler) -> None:
        """Have operations of `kind` done by `handler`; its message, if any, is the result."""
        self._handlers[kind] = handler

    def start(self) -> None:
        """Resume what an earlier process left, and begin to work."""
        self._recover()
        self._store.forget(time.time() - self._keep_seconds)
        for worker in self._workers:
            worker.start()

    def interrupt(self) -> None:
        """End every wait, and what runs at its next safe point, to be resumed at the next start.

        For `Server.on_stopping`: a caller that waits must not hold a stop up.
        """
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()

    def stop(self) -> None:
        """Interrupt what runs, wait until it has been put back, and close the store."""
        self.interrupt()
        for worker in self._workers:
            if worker.is_alive():
                worker.join()
        self._store.close()

    def submit(self, kind: str, payload: bytes = b"", store: str = "", request_id: str = "") -> Operation:
        """Record an operation and return it; it is durable when this returns.

        Raises DianaError REQUEST_ID_REUSED if the id stood for another request.
        """
        operation = self._store.add(self._service, kind, payload, store, request_id, time.time())
        self._notify()
        return operation

    def repeated(self, kind: str, payload: bytes = b"", store: str = "", request_id: str = "") -> Operation | None:
        """What `submit` returned when the same request was made before: for those who look at more than the id first.

        Raises DianaError REQUEST_ID_REUSED if the id stood for another request.
        """
        return self._store.repeated(kind, payload, store, request_id)

    def submit_or_join(
        self,
        kind: str,
        payload: bytes = b"",
        store: str = "",
        request_id: str = "",
        joins: Callable[[bytes], bool] = lambda payload: True,
    ) -> Operation:
        """Like `submit`, but where one of that kind and store has not ended, that one is the answer.

        One whose payload `joins` refuses is another matter. The same id is answered with the same operation again,
        also when it joined another's. Raises DianaError REQUEST_ID_REUSED if the id stood for another request.
        """
        operation = self._store.add(self._service, kind, payload, store, request_id, time.time(), joins=joins)
        self._notify()
        return operation

    def get(self, name: str) -> Operation:
        """Raises DianaError OPERATION_NOT_FOUND."""
        return self._store.get(name)

    def page(self, before: int | None, size: int, active_only: bool) -> list[Operation]:
        """Operations numbered below `before`, newest first."""
        return self._store.page(before, size, active_only)

    def failures(self, name: str, after: int, size: int) -> list[tuple[int, Failure]]:
        """An operation's failed items numbered above `after`. Raises DianaError OPERATION_NOT_FOUND."""
        return self._store.failures(self._store.get(name).number, after, size)

    def wait(self, name: str, seconds: float, alive: Callable[[], bool]) -> Operation:
        """The operation once it has ended, or as it stands after `seconds` or when `alive` turns false.

        Raises DianaError OPERATION_NOT_FOUND, STOPPING.
        """
        until = time.monotonic() + min(seconds, _LONGEST_WAIT_SECONDS)
        while True:
            with self._changed:
                operation = self._store.get(name)
                left = until - time.monotonic()
                if operation.state.ended or left <= 0 or not alive():
                    return operation
                if self._stopping.is_set():
                    raise DianaError(Reason.STOPPING, "The server is stopping; the operation goes on when it is back.")
                self._changed.wait(min(left, 1.0))

    def cancel(self, name: str) -> Operation:
        """Ask an operation to stop.

        Raises DianaError OPERATION_NOT_FOUND, OPERATION_FINISHED.
        """
        operation = self._store.get(name)
        if operation.state is State.CANCELLED:
            return operation
        if operation.state.ended:
            raise DianaError(Reason.OPERATION_FINISHED, "The operation has ended already.")
        self._store.ask_cancel(name, time.time())
        self._cancels += 1
        self._notify()
        return self._store.get(name)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _work(self) -> None:
        while not self._stopping.is_set():
            if (operation := self._persistently(self._next)) is None:
                continue
            with metrics.QUEUE_DEPTH.labels("operations_running").track_inprogress():
                self._run(operation)
            self._notify()

    def _next(self) -> Operation | None:
        """The operation to run now; waits for one, and then returns None, while there is none."""
        if self._store.poll_seconds:
            self._recover()
        with self._changed:
            operation = self._store.take(list(self._handlers), time.time())
            if operation is None and not self._stopping.is_set():
                self._changed.wait(self._store.poll_seconds)
            return operation

    def _recover(self) -> None:
        lost = DianaError(Reason.INTERNAL, f"The server ended {_MOST_CRASHES} times while this ran; it is given up.")
        self._store.recover(_MOST_CRASHES, time.time(), _status(lost))

    def _run(self, operation: Operation) -> None:
        look = _Look(partial(self._store.is_unwanted, operation.number))
        work = Work(operation, self._store, lambda: self._stopping.is_set() or look.unwanted(self._cancels))
        end = partial(self._end, operation, work)
        try:
            settle = partial(end, State.SUCCEEDED, result=_packed(self._handlers[operation.kind](work)))
        except Interrupted:
            settle = partial(self._leave, operation, work)
        except DianaError as refusal:
            settle = partial(end, State.FAILED, error=_status(refusal))
        except Exception as failure:  # the worker must outlive every handler's mistake
            settle = partial(end, State.FAILED, error=self._unforeseen(operation, failure))
        self._persistently(settle)

    def _end(self, operation: Operation, work: Work, state: State, result: bytes = b"", error: bytes = b"") -> None:
        work.flush()
        self._store.end(operation.number, state, time.time(), result=result, error=error)
        self._log.info("operation ended", operation=operation.name, kind=operation.kind, state=state.name.lower())

    def _leave(self, operation: Operation, work: Work) -> None:
        if self._store.get(operation.name).cancel_asked:
            self._end(operation, work, State.CANCELLED)
        else:
            work.flush()
            self._store.requeue(operation.number)

    def _persistently(self, use: Callable[[], T]) -> T | None:
        """`use` the store until it does not fail; None where the server stops before.

        What is left RUNNING then is resumed at the next start, as after a crash.
        """
        backoff = _FIRST_BACKOFF_SECONDS
        while True:
            try:
                return use()
            except Exception as error:  # the worker must outlive a full disk
                self._log.error("operations not kept", error_type=type(error).__qualname__, frames=frames(error))
            with self._changed:
                if self._changed.wait_for(self._stopping.is_set, backoff):
                    return None
            backoff = min(2 * backoff, _LONGEST_BACKOFF_SECONDS)

    def _unforeseen(self, operation: Operation, failure: Exception) -> bytes:
        public = unknown_error()
        self._log.error(
            "operation failed",
            operation=operation.name,
            error_id=public.metadata["error_id"],
            error_type=type(failure).__qualname__,
            frames=frames(failure),
        )
        return _status(public)


class _Look:
    """Asks whether an operation should be left, now and then, and whenever this process was told to cancel one."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self._until = 0.0
        self._cancels = 0
        self._answer = False

    def unwanted(self, cancels: int) -> bool:
        """`cancels`: how often this process was told to cancel something."""
        now = time.monotonic()
        if now >= self._until or cancels != self._cancels:
            self._answer, self._until, self._cancels = self._ask(), now + _LOOK_SECONDS, cancels
        return self._answer


def _status(error: DianaError) -> bytes:
    serialised: bytes = to_status(error).SerializeToString()
    return serialised


def _packed(result: Message | None) -> bytes:
    if result is None:
        return b""
    packed = any_pb2.Any()
    packed.Pack(result)
    serialised: bytes = packed.SerializeToString()
    return serialised
