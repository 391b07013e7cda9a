"""A service whose operations end as tests say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc
from google.rpc import error_details_pb2, status_pb2

from diana.operation.v1.operation_service_pb2 import ItemFailure, Operation, Progress
from diana_client import DeadlineExceeded, NotFound
from diana_common.errors import Reason


class FakeService:
    """Begins operations by request id, and ends them as it is told."""

    def __init__(self, *ends: Callable[[Operation], None]) -> None:
        self.ends = iter(ends)
        self.begun: dict[str, Operation] = {}
        self.failed: list[ItemFailure] = []

    def begin(self, request_id: str) -> Operation:
        known = self.begun.get(request_id)
        if known is None:
            known = Operation(name=f"operations/{len(self.begun)}", state=Operation.STATE_QUEUED)
            self.begun[request_id] = known
        return Operation.FromString(known.SerializeToString())

    def wait(self, name: str, timeout: float) -> Operation:
        operation = self.get(name)
        if operation.state in (Operation.STATE_QUEUED, Operation.STATE_RUNNING):
            operation.state = Operation.STATE_SUCCEEDED
            next(self.ends, lambda _: None)(operation)
        if operation.state == Operation.STATE_RUNNING:
            raise DeadlineExceeded(grpc.StatusCode.DEADLINE_EXCEEDED, "not yet")
        return operation

    def get(self, name: str) -> Operation:
        for one in self.begun.values():
            if one.name == name:
                return one
        raise NotFound(grpc.StatusCode.NOT_FOUND, "gone", reason="OPERATION_NOT_FOUND")

    def failures(self, name: str) -> Iterator[ItemFailure]:
        return iter(self.failed)


def status(reason: Reason) -> status_pb2.Status:
    made = status_pb2.Status(code=reason.code.value, message="Phantom^Petra was not taken.")
    made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason.name))
    return made


def goes_on(operation: Operation) -> None:
    operation.state = Operation.STATE_RUNNING
    operation.progress.CopyFrom(Progress(done=3, total=9, unit="instances"))
