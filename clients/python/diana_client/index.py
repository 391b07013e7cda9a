"""The index' clients: find, count and export records, see how far the index is, rebuild it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

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
    search_key_request,
)
from diana_client.index_tables import aggregate_request, export_request, question, target

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
        where: str = "",
        fuzzy_names: bool = False,
        combined_date_times: bool = False,
        store: str = "",
        at_least_position: str = "",
        limit: int | None = None,
    ) -> Iterator[pb.Record]:
        """The records at a level that match all keys, with C-FIND's semantics (PS3.4 section C.2.2.2).

        `order_by` takes attributes, "-" before one for descending. `where` is a filter expression, which must be met
        too. `limit` bounds the records. With
        `at_least_position` the index waits until it got there, as long as the client's deadline allows.
        """
        request = find_request(
            level,
            matches,
            return_keys,
            order_by,
            store,
            at_least_position,
            limit,
            where,
            fuzzy_names,
            combined_date_times,
        )
        return islice(self._pages(self.stub.Find, request, lambda page: page.records), limit)

    def count(
        self,
        level: Level,
        matches: Matches | None = None,
        *,
        where: str = "",
        fuzzy_names: bool = False,
        combined_date_times: bool = False,
        store: str = "",
        at_least_position: str = "",
    ) -> int:
        """How many records `find` would yield."""
        request = pb.CountRequest(
            store=store,
            level=query_level(level),
            matches=attribute_matches(matches),
            at_least_position=at_least_position,
            filter=where,
            fuzzy_names=fuzzy_names,
            combined_date_times=combined_date_times,
        )
        return self._ask(self.stub.Count, request).count

    def aggregate(
        self,
        level: Level,
        matches: Matches | None = None,
        *,
        group_by: Iterable[str | pb.Grouping] = (),
        measures: Iterable[str | pb.Measure] = (),
        by_count: bool = False,
        limit: int = 0,
        where: str = "",
        fuzzy_names: bool = False,
        combined_date_times: bool = False,
        store: str = "",
        at_least_position: str = "",
    ) -> pb.AggregateResponse:
        """The records that `find` would yield, counted and measured in groups.

        `group_by` takes attributes, "StudyDate:month" (year, day, hour) for a part of a date, "age:10" for bins of
        that width; `measures` "mean:age": count, sum, min, max, mean, median, and p0 to p100 for percentiles.
        """
        asked = question(level, matches, where, fuzzy_names, combined_date_times, store)
        request = aggregate_request(asked, group_by, measures, by_count, limit, at_least_position)
        return self._ask(self.stub.Aggregate, request)

    def export(
        self,
        to: BinaryIO | Path | str,
        level: Level,
        matches: Matches | None = None,
        *,
        file_format: str = "csv",
        columns: Iterable[str] = (),
        order_by: Iterable[str] = (),
        where: str = "",
        fuzzy_names: bool = False,
        combined_date_times: bool = False,
        store: str = "",
        at_least_position: str = "",
    ) -> str:
        """Write all records that `find` would yield to a file as csv, jsonl or parquet; the position it reflects.

        A file that `to` names appears once it is whole. `columns` are attributes, "age" and search keys; none
        means the level's usual ones.
        """
        asked = question(level, matches, where, fuzzy_names, combined_date_times, store)
        request = export_request(asked, file_format, columns, order_by, at_least_position)
        position = ""
        with target(to) as file:
            for answer in self._stream(self.stub.ExportRecords, request):
                file.write(answer.data)
                position = answer.position or position
        return position

    def status(self, *, store: str = "") -> pb.GetIndexStatusResponse:
        """How far the index has followed the archive, and how many records it holds."""
        return self._ask(self.stub.GetIndexStatus, pb.GetIndexStatusRequest(store=store))

    def capabilities(self) -> list[pb.IndexedAttribute]:
        """The attributes that can be matched and ordered by."""
        return list(self._ask(self.stub.GetIndexCapabilities, pb.GetIndexCapabilitiesRequest()).attributes)

    def create_search_key(
        self, search_key_id: str, path: str, *, level: Level = "instance", vr: str = ""
    ) -> pb.CreateSearchKeyResponse:
        """Make an attribute searchable by an id: the key as it is kept, and the operation that fills it.

        `path`: keywords or tags joined by ".", private ones as `(gggg,"CREATOR",ee)`, which need a `vr`.
        """
        return self._ask(self.stub.CreateSearchKey, search_key_request(search_key_id, path, level, vr))

    def search_keys(self) -> list[pb.SearchKey]:
        """The search keys by id."""
        return list(self._ask(self.stub.ListSearchKeys, pb.ListSearchKeysRequest()).search_keys)

    def delete_search_key(self, search_key_id: str) -> None:
        """Forget a search key and what was kept for it. Raises NotFound."""
        self._ask(self.stub.DeleteSearchKey, pb.DeleteSearchKeyRequest(search_key_id=search_key_id))

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
        where: str = "",
        fuzzy_names: bool = False,
        combined_date_times: bool = False,
        store: str = "",
        at_least_position: str = "",
        limit: int | None = None,
    ) -> AsyncIterator[pb.Record]:
        """As `IndexClient.find`."""
        request = find_request(
            level,
            matches,
            return_keys,
            order_by,
            store,
            at_least_position,
            limit,
            where,
            fuzzy_names,
            combined_date_times,
        )
        left = limit
        async for record in self._pages(self.stub.Find, request, lambda page: page.records):
            if left is not None:
                if left <= 0:
                    return
                left -= 1
            yield record

    async def count(
        self,
        level: Level,
        matches: Matches | None = None,
        *,
        where: str = "",
        fuzzy_names: bool = False,
        combined_date_times: bool = False,
        store: str = "",
        at_least_position: str = "",
    ) -> int:
        """How many records `find` would yield."""
        request = pb.CountRequest(
            store=store,
            level=query_level(level),
            matches=attribute_matches(matches),
            at_least_position=at_least_position,
            filter=where,
            fuzzy_names=fuzzy_names,
            combined_date_times=combined_date_times,
        )
        return (await self._ask(self.stub.Count, request)).count

    async def aggregate(
        self,
        level: Level,
        matches: Matches | None = None,
        *,
        group_by: Iterable[str | pb.Grouping] = (),
        measures: Iterable[str | pb.Measure] = (),
        by_count: bool = False,
        limit: int = 0,
        where: str = "",
        fuzzy_names: bool = False,
        combined_date_times: bool = False,
        store: str = "",
        at_least_position: str = "",
    ) -> pb.AggregateResponse:
        """As `IndexClient.aggregate`."""
        asked = question(level, matches, where, fuzzy_names, combined_date_times, store)
        request = aggregate_request(asked, group_by, measures, by_count, limit, at_least_position)
        return await self._ask(self.stub.Aggregate, request)

    async def export(
        self,
        to: BinaryIO | Path | str,
        level: Level,
        matches: Matches | None = None,
        *,
        file_format: str = "csv",
        columns: Iterable[str] = (),
        order_by: Iterable[str] = (),
        where: str = "",
        fuzzy_names: bool = False,
        combined_date_times: bool = False,
        store: str = "",
        at_least_position: str = "",
    ) -> str:
        """As `IndexClient.export`; the file itself is written as a program without asyncio would."""
        asked = question(level, matches, where, fuzzy_names, combined_date_times, store)
        request = export_request(asked, file_format, columns, order_by, at_least_position)
        position = ""
        with target(to) as file:
            async for answer in self._stream(self.stub.ExportRecords, request):
                file.write(answer.data)
                position = answer.position or position
        return position

    async def status(self, *, store: str = "") -> pb.GetIndexStatusResponse:
        """How far the index has followed the archive, and how many records it holds."""
        return await self._ask(self.stub.GetIndexStatus, pb.GetIndexStatusRequest(store=store))

    async def capabilities(self) -> list[pb.IndexedAttribute]:
        """The attributes that can be matched and ordered by."""
        return list((await self._ask(self.stub.GetIndexCapabilities, pb.GetIndexCapabilitiesRequest())).attributes)

    async def create_search_key(
        self, search_key_id: str, path: str, *, level: Level = "instance", vr: str = ""
    ) -> pb.CreateSearchKeyResponse:
        """As `IndexClient.create_search_key`."""
        return await self._ask(self.stub.CreateSearchKey, search_key_request(search_key_id, path, level, vr))

    async def search_keys(self) -> list[pb.SearchKey]:
        """As `IndexClient.search_keys`."""
        return list((await self._ask(self.stub.ListSearchKeys, pb.ListSearchKeysRequest())).search_keys)

    async def delete_search_key(self, search_key_id: str) -> None:
        """As `IndexClient.delete_search_key`."""
        await self._ask(self.stub.DeleteSearchKey, pb.DeleteSearchKeyRequest(search_key_id=search_key_id))

    async def rebuild(self, *, request_id: str = "") -> Operation:
        """As `IndexClient.rebuild`."""
        request = pb.RebuildIndexRequest(request_id=request_id or str(uuid.uuid4()))
        return (await self._ask(self.stub.RebuildIndex, request)).operation
