"""The clients for long work: get, list, wait, cancel. Connect to the service that started the operation."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import grpc
from google.protobuf.duration_pb2 import Duration

from diana.operation.v1 import operation_service_pb2 as pb
from diana.operation.v1.operation_service_pb2_grpc import OperationServiceStub
from diana_client.calls import LARGEST_PAGE, AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.errors import DeadlineExceeded, from_status

if TYPE_CHECKING:
    from diana.operation.v1.operation_service_pb2_grpc import OperationServiceAsyncStub

OnProgress = Callable[[pb.Operation], None]

_ENDED = {pb.Operation.STATE_SUCCEEDED, pb.Operation.STATE_FAILED, pb.Operation.STATE_CANCELLED}

_LONG_WAIT = 30.0  # seconds a single call waits at most
_PROGRESS_WAIT = 0.5  # and when the caller shows progress
_MARGIN = 15.0  # what the call's own deadline leaves on top


def has_ended(operation: pb.Operation) -> bool:
    """Whether it succeeded, failed or was cancelled."""
    return operation.state in _ENDED


def raise_if_failed(operation: pb.Operation) -> None:
    """Raise the operation's own error, as a `MeshError`, if it failed."""
    if operation.state == pb.Operation.STATE_FAILED:
        raise from_status(operation.error)


class OperationClient(Caller):
    """Talks to `OperationService`. Safe to share between threads."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = OperationServiceStub(channel.raw)

    def get(self, name: str) -> pb.Operation:
        """An operation as it stands."""
        return self._ask(self.stub.GetOperation, pb.GetOperationRequest(name=name)).operation

    def list(self, *, active_only: bool = False) -> Iterator[pb.Operation]:
        """The service's operations, newest first."""
        request = pb.ListOperationsRequest(active_only=active_only, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListOperations, request, lambda page: page.operations)

    def wait(self, name: str, timeout: float | None = None, on_progress: OnProgress | None = None) -> pb.Operation:
        """Wait until an operation has ended, well or not (`raise_if_failed` tells), and return it.

        `on_progress` gets the operation about twice a second. `timeout` is in seconds; raises
        DeadlineExceeded when it ran out.
        """
        patience = _Patience(timeout, on_progress)
        while True:
            request = patience.next_request(name)
            client = self.within(request.timeout.ToTimedelta().total_seconds() + _MARGIN)
            operation = client._ask(self.stub.WaitOperation, request).operation
            if patience.is_over(operation):
                return operation

    def cancel(self, name: str) -> pb.Operation:
        """Ask an operation to stop at its next safe point."""
        return self._ask(self.stub.CancelOperation, pb.CancelOperationRequest(name=name)).operation

    def failures(self, name: str) -> Iterator[pb.ItemFailure]:
        """The items that it could not do, in the order in which they failed."""
        request = pb.ListOperationFailuresRequest(name=name, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListOperationFailures, request, lambda page: page.failures)


class AsyncOperationClient(AsyncCaller):
    """As `OperationClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: OperationServiceAsyncStub = OperationServiceStub(channel.raw)

    async def get(self, name: str) -> pb.Operation:
        """An operation as it stands."""
        return (await self._ask(self.stub.GetOperation, pb.GetOperationRequest(name=name))).operation

    def list(self, *, active_only: bool = False) -> AsyncIterator[pb.Operation]:
        """The service's operations, newest first."""
        request = pb.ListOperationsRequest(active_only=active_only, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListOperations, request, lambda page: page.operations)

    async def wait(
        self, name: str, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> pb.Operation:
        """As `OperationClient.wait`."""
        patience = _Patience(timeout, on_progress)
        while True:
            request = patience.next_request(name)
            client = self.within(request.timeout.ToTimedelta().total_seconds() + _MARGIN)
            operation = (await client._ask(self.stub.WaitOperation, request)).operation
            if patience.is_over(operation):
                return operation

    async def cancel(self, name: str) -> pb.Operation:
        """Ask an operation to stop at its next safe point."""
        return (await self._ask(self.stub.CancelOperation, pb.CancelOperationRequest(name=name))).operation

    def failures(self, name: str) -> AsyncIterator[pb.ItemFailure]:
        """The items that it could not do, in the order in which they failed."""
        request = pb.ListOperationFailuresRequest(name=name, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListOperationFailures, request, lambda page: page.failures)


class _Patience:
    """How long to wait still, in calls short enough to show progress."""

    def __init__(self, timeout: float | None, on_progress: OnProgress | None) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout
        self._on_progress = on_progress

    def next_request(self, name: str) -> pb.WaitOperationRequest:
        """The next call, with the seconds it may wait."""
        wait = _LONG_WAIT if self._on_progress is None else _PROGRESS_WAIT
        if self._end is not None:
            wait = max(0.0, min(wait, self._end - time.monotonic()))
        request = pb.WaitOperationRequest(name=name, timeout=Duration())
        request.timeout.FromMilliseconds(round(wait * 1000))
        return request

    def is_over(self, operation: pb.Operation) -> bool:
        """Tell of the progress, and whether it has ended. Raises DeadlineExceeded when time ran out."""
        if self._on_progress is not None:
            self._on_progress(operation)
        if has_ended(operation):
            return True
        if self._end is not None and time.monotonic() >= self._end:
            raise DeadlineExceeded(grpc.StatusCode.DEADLINE_EXCEEDED, "The operation did not end in time; it goes on.")
        return False
