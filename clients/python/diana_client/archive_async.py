"""The archive's client for asyncio: what `ArchiveClient` does, awaited."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from diana.archive.v1.feed_pb2 import CompletionReason, Evidence
from diana.archive.v1.resources_pb2 import Instance, Series, Store, Study
from diana.operation.v1.operation_service_pb2 import Operation
from diana.type.v1.origin_pb2 import Origin
from diana_client.adopting import Adoption
from diana_client.archive_requests import ATTEMPTS, WINDOW, ReadCheck, digests, select
from diana_client.calls import LARGEST_PAGE, AsyncCaller
from diana_client.channel import AsyncChannel
from diana_client.download import (
    AsyncDownloadedInstance,
    InstanceFile,
    SavedInstance,
    assembled_async,
    instances_async,
)
from diana_client.feed import watch_async, watch_request
from diana_client.items import Uploadable, UploadResult
from diana_client.upload import Upload
from diana_client.upload_async import run_async

if TYPE_CHECKING:
    from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceAsyncStub


class AsyncArchiveClient(AsyncCaller):
    """As `ArchiveClient`, for asyncio: share it between the tasks of one event loop."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self._channel = channel
        self.stub: ArchiveServiceAsyncStub = ArchiveServiceStub(channel.raw)

    def upload(
        self,
        items: Iterable[Uploadable] | AsyncIterable[Uploadable],
        *,
        store: str = "",
        origin: Origin | None = None,
        streams: int = 1,
        window: int = WINDOW,
        attempts: int = ATTEMPTS,
        timeout: float | None = None,
    ) -> AsyncGenerator[UploadResult, None]:
        """As `ArchiveClient.upload`; `items` may be asynchronous too. All is read and sent in threads."""
        return run_async(Upload(self._channel.blocking, store, origin, window, attempts, timeout), items, streams)

    def adopt(
        self, names: Iterable[str], *, spool: str, store: str = "", origin: Origin | None = None
    ) -> AsyncGenerator[UploadResult, None]:
        """As `ArchiveClient.adopt`."""
        method = ArchiveServiceStub(self._channel.blocking).AdoptInstances
        return Adoption(method, spool, store, origin).run_async(names)

    async def find_missing(
        self, instances: Iterable[str | tuple[str, bytes]], *, store: str = ""
    ) -> AsyncIterator[str]:
        """The SOP Instance UIDs of those that the store lacks, in order.

        Each is a UID, or a pair of UID and data set digest (SHA-256): another data set then counts as missing.
        """
        for batch in digests(instances):
            request = pb.FindMissingInstancesRequest(store=store, instances=batch)
            for uid in (await self._ask(self.stub.FindMissingInstances, request)).missing_sop_instance_uids:
                yield uid

    async def read(
        self, sop_instance_uid: str, *, store: str = "", version: str = "", offset: int = 0, limit: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """One instance's bytes in pieces of about 1 MiB: from `offset`, `limit` bytes at most (0: to the end)."""
        request = pb.ReadInstanceRequest(
            store=store, sop_instance_uid=sop_instance_uid, version=version, read_offset=offset, read_limit=limit
        )
        check = ReadCheck(request)
        async with aclosing(self._stream(self.stub.ReadInstance, request)) as responses:
            async for response in responses:
                yield check.accept(response)
        check.check_complete()

    def download(
        self,
        study_uid: str = "",
        *,
        series_uid: str = "",
        sop_instance_uids: str | Iterable[str] = (),
        store: str = "",
    ) -> AsyncGenerator[AsyncDownloadedInstance, None]:
        """All current instances of a study, of a series, or named ones, in one stream.

        Take each one's data before asking for the next. Raises NotFound when nothing is selected.
        """
        request = pb.DownloadInstancesRequest(store=store, selector=select(study_uid, series_uid, sop_instance_uids))
        return instances_async(assembled_async(self._stream(self.stub.DownloadInstances, request)))

    async def download_to(
        self,
        folder: Path,
        study_uid: str = "",
        *,
        series_uid: str = "",
        sop_instance_uids: str | Iterable[str] = (),
        store: str = "",
    ) -> AsyncGenerator[SavedInstance, None]:
        """As `download`, into files STUDY/SERIES/SOP-INSTANCE.dcm under `folder`, each there whole or not at all.

        Files of the same name are replaced. Raises OSError when the folder cannot be written.
        """
        selected = self.download(study_uid, series_uid=series_uid, sop_instance_uids=sop_instance_uids, store=store)
        async with aclosing(selected):
            async for downloaded in selected:
                with InstanceFile(folder, downloaded.instance) as file:
                    async for data in downloaded:
                        file.write(data)
                yield file.saved

    async def header(
        self, sop_instance_uid: str, *, store: str = "", version: str = ""
    ) -> pb.GetInstanceHeaderResponse:
        """An instance and its header as DICOM JSON."""
        request = pb.GetInstanceHeaderRequest(store=store, sop_instance_uid=sop_instance_uid, version=version)
        return await self._ask(self.stub.GetInstanceHeader, request)

    async def stores(self) -> Sequence[Store]:
        """The archive's stores, by name."""
        return (await self._ask(self.stub.ListStores, pb.ListStoresRequest())).stores

    async def study(self, study_uid: str, *, store: str = "") -> Study:
        """One study's summary and attributes."""
        return (await self._ask(self.stub.GetStudy, pb.GetStudyRequest(store=store, study_uid=study_uid))).study

    def studies(self, *, store: str = "", page_size: int = LARGEST_PAGE) -> AsyncIterator[Study]:
        """All studies, by Study Instance UID."""
        request = pb.ListStudiesRequest(store=store, page_size=page_size)
        return self._pages(self.stub.ListStudies, request, lambda page: page.studies)

    def series(self, study_uid: str, *, store: str = "", page_size: int = LARGEST_PAGE) -> AsyncIterator[Series]:
        """A study's series, by Series Instance UID."""
        request = pb.ListSeriesRequest(store=store, study_uid=study_uid, page_size=page_size)
        return self._pages(self.stub.ListSeries, request, lambda page: page.series)

    def instances(
        self,
        study_uid: str,
        series_uid: str = "",
        *,
        store: str = "",
        show_all: bool = False,
        page_size: int = LARGEST_PAGE,
    ) -> AsyncIterator[Instance]:
        """A study's or a series' instances; `show_all` adds older versions and deleted ones."""
        request = pb.ListInstancesRequest(
            store=store, study_uid=study_uid, series_uid=series_uid, show_all=show_all, page_size=page_size
        )
        return self._pages(self.stub.ListInstances, request, lambda page: page.instances)

    async def delete(
        self,
        study_uid: str = "",
        *,
        series_uid: str = "",
        sop_instance_uids: str | Iterable[str] = (),
        store: str = "",
        origin: Origin | None = None,
    ) -> pb.DeleteInstancesResponse:
        """Delete instances, selected as in `download`; they can come back within the store's grace period."""
        selector = select(study_uid, series_uid, sop_instance_uids)
        request = pb.DeleteInstancesRequest(store=store, selector=selector, origin=origin)
        return await self._ask(self.stub.DeleteInstances, request)

    async def undelete(
        self,
        study_uid: str = "",
        *,
        series_uid: str = "",
        sop_instance_uids: str | Iterable[str] = (),
        store: str = "",
        origin: Origin | None = None,
    ) -> pb.UndeleteInstancesResponse:
        """Bring deleted instances back."""
        selector = select(study_uid, series_uid, sop_instance_uids)
        request = pb.UndeleteInstancesRequest(store=store, selector=selector, origin=origin)
        return await self._ask(self.stub.UndeleteInstances, request)

    async def update_attributes(
        self,
        study_uid: str,
        attributes: Mapping[str, str] | None = None,
        *,
        remove: Iterable[str] = (),
        store: str = "",
        origin: Origin | None = None,
    ) -> pb.UpdateStudyAttributesResponse:
        """Set and remove a study's plain attributes. They must not hold patient values."""
        request = pb.UpdateStudyAttributesRequest(
            store=store, study_uid=study_uid, set=attributes, remove=remove, origin=origin
        )
        return await self._ask(self.stub.UpdateStudyAttributes, request)

    async def seal_attributes(
        self, study_uid: str, attributes: Mapping[str, str], *, store: str = "", origin: Origin | None = None
    ) -> pb.SealStudyAttributesResponse:
        """Add attributes to a study that are kept encrypted."""
        request = pb.SealStudyAttributesRequest(store=store, study_uid=study_uid, attributes=attributes, origin=origin)
        return await self._ask(self.stub.SealStudyAttributes, request)

    async def unseal_attributes(self, study_uid: str, *, store: str = "") -> dict[str, str]:
        """A study's sealed attributes, in the open."""
        request = pb.UnsealStudyAttributesRequest(store=store, study_uid=study_uid)
        return dict((await self._ask(self.stub.UnsealStudyAttributes, request)).attributes)

    async def complete(
        self,
        study_uid: str,
        reason: CompletionReason.ValueType,
        *,
        expected_instances: int | None = None,
        store: str = "",
        origin: Origin | None = None,
    ) -> str:
        """Declare a study complete; returns the feed position after that."""
        request = pb.CompleteStudyRequest(
            store=store, study_uid=study_uid, reason=reason, expected_instance_count=expected_instances, origin=origin
        )
        return (await self._ask(self.stub.CompleteStudy, request)).position

    async def record_evidence(
        self, study_uid: str, evidence: Evidence, *, store: str = "", origin: Origin | None = None
    ) -> pb.RecordEvidenceResponse:
        """As `ArchiveClient.record_evidence`."""
        request = pb.RecordEvidenceRequest(store=store, study_uid=study_uid, evidence=evidence, origin=origin)
        return await self._ask(self.stub.RecordEvidence, request)

    async def statistics(self, *, store: str = "") -> pb.GetStatisticsResponse:
        """A store's counts and sizes."""
        return await self._ask(self.stub.GetStatistics, pb.GetStatisticsRequest(store=store))

    async def verify(self, *, store: str = "", repair: bool = False, request_id: str = "") -> Operation:
        """As `ArchiveClient.verify`."""
        request = pb.VerifyStoreRequest(request_id=request_id or str(uuid.uuid4()), store=store, repair=repair)
        return (await self._ask(self.stub.VerifyStore, request)).operation

    async def import_instances(
        self, path: str, *, store: str = "", origin: Origin | None = None, request_id: str = ""
    ) -> Operation:
        """As `ArchiveClient.import_instances`."""
        request = pb.ImportInstancesRequest(
            request_id=request_id or str(uuid.uuid4()), store=store, path=path, origin=origin
        )
        return (await self._ask(self.stub.ImportInstances, request)).operation

    async def back_up(self, *, request_id: str = "") -> Operation:
        """As `ArchiveClient.back_up`."""
        request = pb.BackUpArchiveRequest(request_id=request_id or str(uuid.uuid4()))
        return (await self._ask(self.stub.BackUpArchive, request)).operation

    def watch_feed(
        self,
        after_position: str = "",
        *,
        after_time: datetime | None = None,
        stores: Iterable[str] = (),
        stop_at_head: bool = False,
        omit_headers: bool = False,
        reconnect: bool = False,
    ) -> AsyncGenerator[pb.WatchFeedResponse, None]:
        """As `ArchiveClient.watch_feed`; closing the iterator, or cancelling its task, ends it."""
        request = watch_request(after_position, after_time, stores, stop_at_head, omit_headers)
        return watch_async(self.stub.WatchFeed, request, reconnect)
