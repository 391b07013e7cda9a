"""CollectService over the core."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import grpc

from diana.route.v1 import collect_service_pb2 as pb
from diana.route.v1.collect_service_pb2_grpc import CollectServiceServicer
from diana_common.errors import DianaError, Reason
from diana_common.pages import Pages
from diana_route.core.collecting import Checks, Collected, Collection, ItemState, Order
from diana_route.core.collecting_shelf import Shelf
from diana_route.servicer.collect_operations import COLLECT
from diana_route.wire.collect import (
    accession_numbers_of,
    collection_to_proto,
    item_to_proto,
    kept_request,
    order_from_proto,
    request_of,
    state_from_proto,
)
from diana_server.operations import Operation, OperationQueue, operation_to_proto

_PAGE_SIZE = 100
_AT_A_TIME = 500


class CollectServicer(CollectServiceServicer):
    """Every RPC of the contract; its comments say what each answers and refuses."""

    def __init__(
        self,
        staging_store: str,
        collections: Shelf,
        checks: Checks,
        describe: Callable[[Order], Callable[[Collected], bytes | None]],
        queue: OperationQueue,
        waiting_for: Callable[[str], str],
    ) -> None:
        """`describe` makes, of an order, what asks its source for an item's study as DICOM JSON.

        `waiting_for`: why a collection, by its key, does not go on now.
        """
        self._staging_store = staging_store
        self._collections, self._checks, self._describe = collections, checks, describe
        self._queue, self._waiting_for = queue, waiting_for
        self._retrying = threading.Lock()

    def StartCollection(
        self, request: pb.StartCollectionRequest, context: grpc.ServicerContext
    ) -> pb.StartCollectionResponse:
        order, numbers = order_from_proto(request, self._staging_store), accession_numbers_of(request)
        key = _key(request.request_id)
        if self._queue.repeated(COLLECT, key.encode(), request_id=request.request_id) is None:
            self._checks.check(order)
        self._create(key, request, numbers)
        operation = self._submit(key, request.request_id)
        return pb.StartCollectionResponse(
            operation=operation_to_proto(operation), item_count=sum(self._collections.counts(key).values())
        )

    def GetCollection(
        self, request: pb.GetCollectionRequest, context: grpc.ServicerContext
    ) -> pb.GetCollectionResponse:
        found = self._collections.of_operation(request.operation)
        counts, instances = self._collections.counts(found.key), self._collections.delivered_instances(found.key)
        told = collection_to_proto(found, counts, instances, self._waiting_for(found.key))
        return pb.GetCollectionResponse(collection=told)

    def ListCollectedItems(
        self, request: pb.ListCollectedItemsRequest, context: grpc.ServicerContext
    ) -> pb.ListCollectedItemsResponse:
        key = self._collections.of_operation(request.operation).key
        size, pages = request.page_size or _PAGE_SIZE, Pages(key, request.state)
        after = pages.number(request.page_token) or 0
        found = self._collections.page(key, after, size + 1, state_from_proto(request.state))
        return pb.ListCollectedItemsResponse(
            items=map(item_to_proto, found[:size]),
            next_page_token=pages.token(found[size - 1].number) if len(found) > size else "",
        )

    def ListSourceStudies(
        self, request: pb.ListSourceStudiesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ListSourceStudiesResponse]:
        found = self._collections.of_operation(request.operation)
        describe = self._describe(order_from_proto(request_of(found), self._staging_store))
        for item in self._found_items(found.key):
            if not context.is_active():
                return
            if (described := describe(item)) is not None:
                yield pb.ListSourceStudiesResponse(number=item.number, dicom_json=described)

    def RetryCollection(
        self, request: pb.RetryCollectionRequest, context: grpc.ServicerContext
    ) -> pb.RetryCollectionResponse:
        with self._retrying:
            found = self._collections.of_operation(request.operation)
            was_open = self._collections.revive(found.key)
            operation = self._active(found) if was_open else None
            operation = operation or self._submit(found.key, "")
        counts = self._collections.counts(found.key)
        left = sum(counts.values()) - counts.get(ItemState.DELIVERED, 0)
        return pb.RetryCollectionResponse(operation=operation_to_proto(operation), item_count=left)

    def _create(self, key: str, request: pb.StartCollectionRequest, accession_numbers: Sequence[str]) -> None:
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        study_uids = self._checks.cohort(request.cohort) if request.cohort else request.study_uids.values
        self._collections.create(
            key, kept_request(request), digest, _distinct(accession_numbers), _distinct(study_uids), time.time()
        )

    def _submit(self, key: str, request_id: str) -> Operation:
        operation = self._queue.submit(COLLECT, key.encode(), request_id=request_id)
        self._collections.bind(key, operation.name)
        return operation

    def _active(self, found: Collection) -> Operation | None:
        """The operation that is at a collection; None if it has ended, well or not."""
        try:
            operation = self._queue.get(found.operation)
        except DianaError as error:
            if error.reason is not Reason.OPERATION_NOT_FOUND:
                raise
            return None
        return None if operation.state.ended or operation.cancel_asked else operation

    def _found_items(self, key: str) -> Iterator[Collected]:
        """The items that were found, a page at a time."""
        after = 0
        while page := self._collections.page(key, after, _AT_A_TIME, None):
            yield from (item for item in page if item.study_uid and item.state is not ItemState.WAITING)
            after = page[-1].number


def _key(request_id: str) -> str:
    """What a collection is kept under: the same for the same request_id."""
    return hashlib.sha256(f"collect {request_id}".encode()).hexdigest()[:32] if request_id else secrets.token_hex(16)


def _distinct(values: Sequence[str]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value]
