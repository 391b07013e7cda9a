"""OperationService over a service's queue."""

from __future__ import annotations

import grpc

from diana.operation.v1 import operation_service_pb2 as pb
from diana.operation.v1.operation_service_pb2_grpc import OperationServiceServicer
from diana_common.pages import Pages
from diana_server.operations.queue import OperationQueue
from diana_server.operations.wire import failure_to_proto, operation_to_proto

_PAGE_SIZE = 100
# What is left of a call's deadline for the answer to travel.
_MARGIN_SECONDS = 0.2


class OperationServicer(OperationServiceServicer):
    """Serves the operations of one queue."""

    def __init__(self, queue: OperationQueue) -> None:
        self._queue = queue

    def GetOperation(self, request: pb.GetOperationRequest, context: grpc.ServicerContext) -> pb.GetOperationResponse:
        return pb.GetOperationResponse(operation=operation_to_proto(self._queue.get(request.name)))

    def ListOperations(
        self, request: pb.ListOperationsRequest, context: grpc.ServicerContext
    ) -> pb.ListOperationsResponse:
        size = request.page_size or _PAGE_SIZE
        pages = Pages("ListOperations", request.active_only)
        found = self._queue.page(pages.number(request.page_token), size + 1, request.active_only)
        return pb.ListOperationsResponse(
            operations=[operation_to_proto(one) for one in found[:size]],
            next_page_token=pages.token(found[size - 1].number) if len(found) > size else "",
        )

    def WaitOperation(
        self, request: pb.WaitOperationRequest, context: grpc.ServicerContext
    ) -> pb.WaitOperationResponse:
        left = context.time_remaining()
        seconds = float("inf") if left is None else max(left - _MARGIN_SECONDS, 0.0)
        if request.HasField("timeout"):
            seconds = min(seconds, request.timeout.ToMilliseconds() / 1000)
        operation = self._queue.wait(request.name, seconds, context.is_active)
        return pb.WaitOperationResponse(operation=operation_to_proto(operation))

    def CancelOperation(
        self, request: pb.CancelOperationRequest, context: grpc.ServicerContext
    ) -> pb.CancelOperationResponse:
        return pb.CancelOperationResponse(operation=operation_to_proto(self._queue.cancel(request.name)))

    def ListOperationFailures(
        self, request: pb.ListOperationFailuresRequest, context: grpc.ServicerContext
    ) -> pb.ListOperationFailuresResponse:
        size = request.page_size or _PAGE_SIZE
        pages = Pages("ListOperationFailures", request.name)
        found = self._queue.failures(request.name, pages.number(request.page_token) or 0, size + 1)
        return pb.ListOperationFailuresResponse(
            failures=[failure_to_proto(one) for _, one in found[:size]],
            next_page_token=pages.token(found[size - 1][0]) if len(found) > size else "",
        )
