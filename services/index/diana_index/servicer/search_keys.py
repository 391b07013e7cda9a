"""The part of IndexService that is about search keys, and the operation that fills one."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc

from diana.index.v1 import index_service_pb2 as pb
from diana_common.errors import DianaError, Reason
from diana_index.core.index import Index
from diana_index.core.vocabulary import SearchKey
from diana_index.core.written import KeptKey, Written
from diana_index.wire.search_keys import kept_to_proto, key_from_proto, key_to_proto
from diana_server.operations import Operation, OperationQueue, State, Work
from diana_server.operations.wire import operation_to_proto

BACKFILL = "index.backfill"

_RECORDS = 200
"""Filled in one transaction, for which arrivals wait."""
_GIVE_WAY_SECONDS = 0.001
"""Between two transactions: whoever waits to write comes in then."""
_AWAY_SECONDS = 0.5


class SearchKeyMethods:
    """Answers for search keys. Filling one is an operation of `queue`."""

    def __init__(self, written: Written, queue: OperationQueue) -> None:
        self._written = written
        self._operations = queue

    def CreateSearchKey(
        self, request: pb.CreateSearchKeyRequest, context: grpc.ServicerContext
    ) -> pb.CreateSearchKeyResponse:
        kept = self._written.create_key(key_from_proto(request.search_key))
        operation = self._filling(kept)
        made = kept_to_proto(kept, self._written.is_ready(kept.key))
        return pb.CreateSearchKeyResponse(search_key=made, operation=operation_to_proto(operation))

    def ListSearchKeys(
        self, request: pb.ListSearchKeysRequest, context: grpc.ServicerContext
    ) -> pb.ListSearchKeysResponse:
        keys = [kept_to_proto(kept, self._written.is_ready(kept.key)) for kept in self._written.search_keys()]
        return pb.ListSearchKeysResponse(search_keys=keys)

    def DeleteSearchKey(
        self, request: pb.DeleteSearchKeyRequest, context: grpc.ServicerContext
    ) -> pb.DeleteSearchKeyResponse:
        self._written.delete_key(request.search_key_id)
        return pb.DeleteSearchKeyResponse()

    def _filling(self, kept: KeptKey) -> Operation:
        """The operation that the key was made with, unless that left something to fill."""
        operation = ask_fill(self._operations, kept.key, f"{BACKFILL} {kept.key.key_id} {kept.create_time}")
        is_done = operation.state is State.SUCCEEDED and self._written.is_ready(kept.key)
        return operation if is_done or not operation.state.ended else ask_fill(self._operations, kept.key)


def ask_fill(queue: OperationQueue, key: SearchKey, request_id: str = "") -> Operation:
    """The operation that fills a key and has not ended, or a new one."""
    payload = key_to_proto(key).SerializeToString(deterministic=True)
    return queue.submit_or_join(BACKFILL, payload, request_id=request_id, joins=lambda other: bytes(other) == payload)


def backfill_handler(written: Written, index: Index) -> Callable[[Work], pb.BackfillResult]:
    """What does an operation of kind `index.backfill`; one that a crash cut short goes on where it was."""

    def backfill(work: Work) -> pb.BackfillResult:
        key = key_from_proto(pb.SearchKey.FromString(work.payload))
        total = 0
        while True:
            work.raise_if_cancelled()
            try:
                total = total or index.record_count(key.level)
                filled = written.fill(key, _RECORDS)
            except DianaError as error:
                if error.reason is not Reason.PEER_UNAVAILABLE:
                    raise
                time.sleep(_AWAY_SECONDS)
                continue
            work.progress(filled.records, max(total, filled.records), "instance")
            if filled.ready:
                return pb.BackfillResult(instance_count=filled.records, value_count=filled.values)
            time.sleep(_GIVE_WAY_SECONDS)

    return backfill
