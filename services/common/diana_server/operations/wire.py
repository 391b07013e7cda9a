"""Operations between the domain and protobuf."""

from __future__ import annotations

from google.protobuf import any_pb2
from google.rpc import status_pb2

from diana.operation.v1 import operation_service_pb2 as pb
from diana_server.operations.model import Failure, Operation
from diana_server.times import timestamp


def operation_to_proto(operation: Operation) -> pb.Operation:
    """An operation as its contract has it."""
    progress = operation.progress
    message = pb.Operation(
        name=operation.name,
        kind=operation.kind,
        store=operation.store,
        state=pb.Operation.State.ValueType(operation.state.value),
        progress=pb.Progress(done=progress.done, total=progress.total, failed=progress.failed, unit=progress.unit),
        attempts=operation.attempts,
        create_time=timestamp(operation.create_time),
    )
    if operation.start_time is not None:
        message.start_time.CopyFrom(timestamp(operation.start_time))
    if operation.end_time is not None:
        message.end_time.CopyFrom(timestamp(operation.end_time))
    if operation.error:
        message.error.CopyFrom(status_pb2.Status.FromString(operation.error))
    if operation.result:
        message.result.CopyFrom(any_pb2.Any.FromString(operation.result))
    return message


def failure_to_proto(failure: Failure) -> pb.ItemFailure:
    """A failed item as its contract has it."""
    return pb.ItemFailure(item=failure.item, status=status_pb2.Status.FromString(failure.status))
