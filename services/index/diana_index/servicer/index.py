"""IndexService over the core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import grpc

from diana.index.v1 import index_service_pb2 as pb
from diana.index.v1.index_service_pb2_grpc import IndexServiceServicer
from diana_index.core.exporting import Format, Writer
from diana_index.core.follow import Follower
from diana_index.core.index import Index, Wait
from diana_index.core.written import Written
from diana_index.servicer.search_keys import SearchKeyMethods
from diana_index.wire import (
    DEFAULT_STORE,
    asked_from_proto,
    attribute_to_proto,
    orders_from_proto,
    record_to_proto,
)
from diana_index.wire.aggregates import aggregation_from_proto, groups_to_proto
from diana_server.operations import Operation, OperationQueue, Work
from diana_server.operations.wire import operation_to_proto
from diana_server.times import timestamp

REBUILD = "index.rebuild"

_DEFAULT_WAIT_SECONDS = 30.0
# What is left of a call's deadline for the answer to travel.
_MARGIN_SECONDS = 0.2


class IndexServicer(SearchKeyMethods, IndexServiceServicer):
    """Answers for the index. A rebuild is an operation of `queue`."""

    def __init__(self, index: Index, queue: OperationQueue, writers: Mapping[Format, Writer], written: Written) -> None:
        """`writers`: of the files of tables, all formats."""
        super().__init__(written, queue)
        self._index = index
        self._queue = queue
        self._writers = writers

    def Find(self, request: pb.FindRequest, context: grpc.ServicerContext) -> pb.FindResponse:
        page = self._index.find(
            asked_from_proto(request),
            orders=orders_from_proto(request),
            return_keys=request.return_keys,
            page_size=request.page_size,
            page_token=request.page_token,
            request=_identity(request),
            wait=_wait(request.at_least_position, context),
        )
        records = [record_to_proto(record) for record in page.records]
        return pb.FindResponse(records=records, next_page_token=page.next_token, position=page.position)

    def Count(self, request: pb.CountRequest, context: grpc.ServicerContext) -> pb.CountResponse:
        wait = _wait(request.at_least_position, context)
        count, position = self._index.count(asked_from_proto(request), wait)
        return pb.CountResponse(count=count, position=position)

    def Aggregate(self, request: pb.AggregateRequest, context: grpc.ServicerContext) -> pb.AggregateResponse:
        asked = asked_from_proto(request.question, "question.")
        wait = _wait(request.at_least_position, context)
        return groups_to_proto(*self._index.aggregate(asked, aggregation_from_proto(request), wait))

    def ExportRecords(
        self, request: pb.ExportRecordsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ExportRecordsResponse]:
        asked = asked_from_proto(request.question, "question.")
        wait = _wait(request.at_least_position, context)
        with self._index.exporting(asked, request.columns, orders_from_proto(request), wait) as (table, position):
            yield pb.ExportRecordsResponse(position=position)
            for piece in self._writers[Format(request.format)](table):
                yield pb.ExportRecordsResponse(data=piece)

    def GetIndexStatus(
        self, request: pb.GetIndexStatusRequest, context: grpc.ServicerContext
    ) -> pb.GetIndexStatusResponse:
        totals, mark = self._index.totals(request.store or DEFAULT_STORE, context.is_active)
        return pb.GetIndexStatusResponse(
            position=mark.position,
            entries_behind=self._index.progress.entries_behind,
            applied_commit_time=None if mark.commit_time is None else timestamp(mark.commit_time),
            following=self._index.progress.following,
            patient_count=totals.patients,
            study_count=totals.studies,
            series_count=totals.series,
            instance_count=totals.instances,
        )

    def GetIndexCapabilities(
        self, request: pb.GetIndexCapabilitiesRequest, context: grpc.ServicerContext
    ) -> pb.GetIndexCapabilitiesResponse:
        attributes = [attribute_to_proto(one) for one in self._index.vocabulary().listed()]
        return pb.GetIndexCapabilitiesResponse(attributes=attributes)

    def RebuildIndex(self, request: pb.RebuildIndexRequest, context: grpc.ServicerContext) -> pb.RebuildIndexResponse:
        return pb.RebuildIndexResponse(operation=operation_to_proto(self.rebuild(request.request_id)))

    def rebuild(self, request_id: str = "") -> Operation:
        """The rebuild that has not ended, or a new one."""
        return self._queue.submit_or_join(REBUILD, request_id=request_id)


def rebuild_handler(follower: Follower, index: Index) -> Callable[[Work], pb.RebuildIndexResult]:
    """What does an operation of kind `index.rebuild`; one that a crash cut short starts over."""

    def rebuild(work: Work) -> pb.RebuildIndexResult:
        follower.rebuild(work)
        totals, mark = index.totals(None, lambda: True)
        return pb.RebuildIndexResult(position=mark.position, instance_count=totals.instances)

    return rebuild


def _identity(request: pb.FindRequest) -> bytes:
    """What a page token is bound to: the request without what may differ between pages."""
    same = pb.FindRequest()
    same.CopyFrom(request)
    for name in ("page_token", "page_size", "at_least_position"):
        same.ClearField(name)
    serialised: bytes = same.SerializeToString(deterministic=True)
    return serialised


def _wait(position: str, context: grpc.ServicerContext) -> Wait:
    left = context.time_remaining()
    seconds = _DEFAULT_WAIT_SECONDS if left is None else max(left - _MARGIN_SECONDS, 0.0)
    return Wait(position, seconds, context.is_active)
