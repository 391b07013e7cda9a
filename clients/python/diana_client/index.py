"""The index' clients: find and count records, see how far the index is, rebuild it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from diana.index.v1 import index_service_pb2 as pb
from diana.index.v1.index_service_pb2_grpc import IndexServiceStub
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client.calls import AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.index_requests import (
    Level,
    Matches,
    attribute_matches,
    find_request,
    query_level,
    record_attributes,
)

if TYPE_CHECKING:
    from diana.index.v1.index_service_pb2_grpc import IndexServiceAsyncStub

__all__ = ["AsyncIndexClient", "IndexClient", "Level", "Matches", "record_attributes"]


class IndexClient(Caller):
    """Talks to `IndexService`. Safe to share between threads. An empty `store` means "default"."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = IndexServiceStub(channel.raw)

    def find(
        self,
        level: Level,
        matches: Matches | None = None,
        *,
        return_keys: Iterable[str] = (),
        order_by: Iterable[str] = (),
        store: str = "",
        at_least_position: str = "",
        limit: int | None = None,
    ) -> Iterator[pb.Record]:
        """The records at a level that match all keys, with C-FIND's semantics (PS3.4 section C.2.2.2).

        `order_by` takes attributes, "-" before one for descending. `limit` bounds the records. With
        `at_least_position` the index waits until it got there, as long as the client's deadline allows.
        """
        request = find_request(level, matches, return_keys, order_by, store, at_least_position, limit)
        return islice(self._pages(self.stub.Find, request, lambda page: page.records), limit)

    def count(
        self, level: Level, matches: Matches | None = None, *, store: str = "", at_least_position: str = ""
    ) -> int:
        """How many records `find` would yield."""
        request = pb.CountRequest(
            store=store,
            level=query_level(level),
            matches=attribute_matches(matches),
            at_least_position=at_least_position,
        )
        return self._ask(self.stub.Count, request).count

    def status(self, *, store: str = "") -> pb.GetIndexStatusResponse:
        """How far the index has followed the archive, and how many records it holds."""
        return self._ask(self.stub.GetIndexStatus, pb.GetIndexStatusRequest(store=store))

    def capabilities(self) -> list[pb.IndexedAttribute]:
        """The attributes that can be matched and ordered by."""
        return list(self._ask(self.stub.GetIndexCapabilities, pb.GetIndexCapabilitiesRequest()).attributes)

    def rebuild(self, *, request_id: str = "") -> Operation:
        """Start to derive all records anew; follow the operation with `OperationClient` on the same channel.

        Calls with the same `request_id` start one rebuild; without one, each call makes up its own.
        """
        request = pb.RebuildIndexRequest(request_id=request_id or str(uuid.uuid4()))
        return self._ask(self.stub.RebuildIndex, request).operation


class AsyncIndexClient(AsyncCaller):
    """As `IndexClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: IndexServiceAsyncStub = IndexServiceStub(channel.raw)

    async def find(
        self,
        level: Level,
        matches: Matches | None = None,
        *,
        return_keys: Iterable[str] = (),
        order_by: Iterable[str] = (),
        store: str = "",
        at_least_position: str = "",
        limit: int | None = None,
    ) -> AsyncIterator[pb.Record]:
        """As `IndexClient.find`."""
        request = find_request(level, matches, return_keys, order_by, store, at_least_position, limit)
        left = limit
        async for record in self._pages(self.stub.Find, request, lambda page: page.records):
            if left is not None:
                if left <= 0:
                    return
                left -= 1
            yield record

    async def count(
        self, level: Level, matches: Matches | None = None, *, store: str = "", at_least_position: str = ""
    ) -> int:
        """How many records `find` would yield."""
        request = pb.CountRequest(
            store=store,
            level=query_level(level),
            matches=attribute_matches(matches),
            at_least_position=at_least_position,
        )
        return (await self._ask(self.stub.Count, request)).count

    async def status(self, *, store: str = "") -> pb.GetIndexStatusResponse:
        """How far the index has followed the archive, and how many records it holds."""
        return await self._ask(self.stub.GetIndexStatus, pb.GetIndexStatusRequest(store=store))

    async def capabilities(self) -> list[pb.IndexedAttribute]:
        """The attributes that can be matched and ordered by."""
        return list((await self._ask(self.stub.GetIndexCapabilities, pb.GetIndexCapabilitiesRequest())).attributes)

    async def rebuild(self, *, request_id: str = "") -> Operation:
        """As `IndexClient.rebuild`."""
        request = pb.RebuildIndexRequest(request_id=request_id or str(uuid.uuid4()))
        return (await self._ask(self.stub.RebuildIndex, request)).operation
