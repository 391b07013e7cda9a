"""Lists of operations come in pages, and a page's token belongs to the request that it was given to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from diana.operation.v1 import operation_service_pb2 as pb
from diana.operation.v1 import operation_service_pb2_grpc as pb_grpc
from diana_common.errors import DianaError, Reason, invalid_field
from diana_server.config import ServerConfig
from diana_server.operations import OperationQueue, OperationServicer, Work
from diana_server.server import Server


def fails_thrice(work: Work) -> None:
    for item in ("1.1", "1.2", "1.3"):
        work.fail_item(item, invalid_field("a", "b"))


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[OperationQueue]:
    queue = OperationQueue(tmp_path / "operations.sqlite", "test")
    queue.register("kind", fails_thrice)
    queue.start()
    yield queue
    queue.stop()


@pytest.fixture
def stub(queue: OperationQueue) -> Iterator[pb_grpc.OperationServiceStub]:
    server = Server("test", ServerConfig())
    descriptor = pb.DESCRIPTOR.services_by_name["OperationService"]
    register = pb_grpc.add_OperationServiceServicer_to_server
    server.add(descriptor, register, OperationServicer(queue), lambda: None)
    with grpc.insecure_channel(server.start()) as channel:
        yield pb_grpc.OperationServiceStub(channel)
        server.stop(grace=0)


def test_pages_hang_together_and_their_tokens_fit_no_other_request(
    queue: OperationQueue, stub: pb_grpc.OperationServiceStub
) -> None:
    names = [queue.submit("kind").name for _ in range(3)]
    for name in names:
        queue.wait(name, 30, lambda: True)
    page = stub.ListOperations(pb.ListOperationsRequest(page_size=2))
    rest = stub.ListOperations(pb.ListOperationsRequest(page_size=5, page_token=page.next_page_token))
    assert [one.name for one in (*page.operations, *rest.operations)] == names[::-1]
    assert rest.next_page_token == ""

    failed = stub.ListOperationFailures(pb.ListOperationFailuresRequest(name=names[0], page_size=2))
    more = pb.ListOperationFailuresRequest(name=names[0], page_token=failed.next_page_token)
    last = stub.ListOperationFailures(more)
    assert [one.item for one in (*failed.failures, *last.failures)] == ["1.1", "1.2", "1.3"]

    operations, failures = page.next_page_token, failed.next_page_token
    foreign: list[tuple[Any, Any]] = [
        (stub.ListOperations, pb.ListOperationsRequest(active_only=True, page_token=operations)),
        (stub.ListOperations, pb.ListOperationsRequest(page_token=failures)),
        (stub.ListOperations, pb.ListOperationsRequest(page_token="7")),
        (stub.ListOperations, pb.ListOperationsRequest(page_token="x" + operations)),
        (stub.ListOperationFailures, pb.ListOperationFailuresRequest(name=names[1], page_token=failures)),
        (stub.ListOperationFailures, pb.ListOperationFailuresRequest(name=names[0], page_token=operations)),
    ]
    for call, request in foreign:
        with pytest.raises(grpc.RpcError) as caught:
            call(request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "page_token" in (caught.value.details() or "")


def test_a_token_is_checked_before_the_store_is_asked(queue: OperationQueue) -> None:
    request = pb.ListOperationFailuresRequest(name="operations/none", page_token="1.2")
    with pytest.raises(DianaError) as caught:
        OperationServicer(queue).ListOperationFailures(request, None)  # type: ignore[arg-type]
    assert caught.value.reason is Reason.PAGE_TOKEN_INVALID
