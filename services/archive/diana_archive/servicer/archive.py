"""ArchiveService: decode, ask the core, encode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from typing import cast

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceServicer
from diana_archive.core.archive import Archive
from diana_archive.core.importing import ImportSources
from diana_archive.core.ports import Backup
from diana_archive.core.pump import first_message
from diana_archive.servicer.operations import LongWork
from diana_archive.wire import feed, resources, transfer
from diana_server.callers import is_on_this_host
from diana_server.logs import logger
from diana_server.operations import OperationQueue, operation_to_proto

_CHUNK_OVERHEAD = 512


class ArchiveServicer(ArchiveServiceServicer):
    """Serves one archive; its long work is `queue`'s. `stopping` is set when the server begins to stop."""

    def __init__(
        self,
        archive: Archive,
        queue: OperationQueue,
        stopping: threading.Event,
        backup: Callable[[], Backup] | None = None,
        sources: ImportSources | None = None,
    ) -> None:
        """`backup` opens the place of backups, where there is one; `sources` is where imports may come from."""
        self._archive = archive
        self._work = LongWork(archive, queue, backup, sources)
        self._stopping = stopping
        self._log = logger("archive")

    def UploadInstances(
        self, request_iterator: Iterator[pb.UploadInstancesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.UploadInstancesResponse]:
        """Receives in a thread of its own while this one answers."""
        first = first_message(request_iterator, self._stopping)
        if first is None:
            return
        upload = self._archive.upload(first.store, resources.to_origin(first.origin))
        context.add_callback(upload.cut)
        pump = self._archive.pump(upload, map(transfer.to_chunks, chain([first], request_iterator)))
        for answers in pump.answers(self._stopping):
            yield transfer.upload_results(answers, self._archive.feed.position)

    def GetUpload(self, request: pb.GetUploadRequest, context: grpc.ServicerContext) -> pb.GetUploadResponse:
        size_bytes, expire_us = self._archive.upload_progress(request.store, request.upload_id)
        return pb.GetUploadResponse(write_offset=size_bytes, expire_time=resources.timestamp(expire_us))

    def AdoptInstances(
        self, request_iterator: Iterator[pb.AdoptInstancesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.AdoptInstancesResponse]:
        """Files are read in a thread of their own while this one answers."""
        first = first_message(request_iterator, self._stopping)
        if first is None:
            return
        upload = self._archive.upload(first.store, resources.to_origin(first.origin))
        adoption = self._archive.adoption(upload, first.spool, is_on_this_host(context.peer()))
        context.add_callback(upload.cut)
        messages = (adoption.chunks(transfer.to_files(message)) for message in chain([first], request_iterator))
        with closing(adoption):
            for answers in self._archive.pump(upload, messages).answers(self._stopping):
                yield transfer.adopt_results(adoption.settle(answers), self._archive.feed.position)

    def FindMissingInstances(
        self, request: pb.FindMissingInstancesRequest, context: grpc.ServicerContext
    ) -> pb.FindMissingInstancesResponse:
        wanted = [(one.sop_instance_uid, one.data_set_sha256) for one in request.instances]
        return pb.FindMissingInstancesResponse(
            missing_sop_instance_uids=self._archive.reading.missing(request.store, wanted)
        )

    def ReadInstance(
        self, request: pb.ReadInstanceRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadInstanceResponse]:
        pieces = self._archive.reading.read(
            request.store, request.sop_instance_uid, request.version, request.read_offset, request.read_limit
        )
        # A generator's variable would hold a piece for as long as its message takes to be sent.
        return map(transfer.read_response, pieces)

    def DownloadInstances(
        self, request: pb.DownloadInstancesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadInstancesResponse]:
        """Packs small instances together, up to about 1 MiB, less where many read."""
        parts: list[bytes] = []
        size = 0
        for piece in self._archive.reading.download(request.store, resources.to_selector(request.selector)):
            if size and size + len(piece.data) > self._archive.reading.piece_bytes:
                yield _message(parts)
                size = 0
            parts += transfer.chunk_parts(piece)
            size += len(piece.data) + _CHUNK_OVERHEAD
        if size:
            yield _message(parts)

    def GetInstanceHeader(
        self, request: pb.GetInstanceHeaderRequest, context: grpc.ServicerContext
    ) -> pb.GetInstanceHeaderResponse:
        instance, header = self._archive.reading.header(request.store, request.sop_instance_uid, request.version)
        return pb.GetInstanceHeaderResponse(instance=resources.instance(instance), dicom_json=header)

    def ListStores(self, request: pb.ListStoresRequest, context: grpc.ServicerContext) -> pb.ListStoresResponse:
        return pb.ListStoresResponse(stores=[resources.store(one) for one in self._archive.policies.all()])

    def GetStudy(self, request: pb.GetStudyRequest, context: grpc.ServicerContext) -> pb.GetStudyResponse:
        return pb.GetStudyResponse(study=resources.study(self._archive.listing.study(request.store, request.study_uid)))

    def ListStudies(self, request: pb.ListStudiesRequest, context: grpc.ServicerContext) -> pb.ListStudiesResponse:
        page = self._archive.listing.studies(request.store, request.page_size, request.page_token)
        return pb.ListStudiesResponse(
            studies=[resources.study(one) for one in page.items], next_page_token=page.next_token
        )

    def ListSeries(self, request: pb.ListSeriesRequest, context: grpc.ServicerContext) -> pb.ListSeriesResponse:
        page = self._archive.listing.series(request.store, request.study_uid, request.page_size, request.page_token)
        return pb.ListSeriesResponse(
            series=[resources.series(one) for one in page.items], next_page_token=page.next_token
        )

    def ListInstances(
        self, request: pb.ListInstancesRequest, context: grpc.ServicerContext
    ) -> pb.ListInstancesResponse:
        page = self._archive.listing.instances(
            request.store,
            request.study_uid,
            request.series_uid,
            request.show_all,
            request.page_size,
            request.page_token,
        )
        return pb.ListInstancesResponse(
            instances=[resources.instance(one) for one in page.items], next_page_token=page.next_token
        )

    def DeleteInstances(
        self, request: pb.DeleteInstancesRequest, context: grpc.ServicerContext
    ) -> pb.DeleteInstancesResponse:
        selector, origin = resources.to_selector(request.selector), resources.to_origin(request.origin)
        count, until, head = self._archive.deleting.delete(request.store, selector, origin)
        return pb.DeleteInstancesResponse(
            deleted_count=count,
            restorable_until=resources.timestamp(until) if count else None,
            position=self._position(head),
        )

    def UndeleteInstances(
        self, request: pb.UndeleteInstancesRequest, context: grpc.ServicerContext
    ) -> pb.UndeleteInstancesResponse:
        selector, origin = resources.to_selector(request.selector), resources.to_origin(request.origin)
        count, head = self._archive.deleting.undelete(request.store, selector, origin)
        return pb.UndeleteInstancesResponse(restored_count=count, position=self._position(head))

    def UpdateStudyAttributes(
        self, request: pb.UpdateStudyAttributesRequest, context: grpc.ServicerContext
    ) -> pb.UpdateStudyAttributesResponse:
        study, head = self._archive.attributes.update(
            request.store, request.study_uid, request.set, request.remove, resources.to_origin(request.origin)
        )
        return pb.UpdateStudyAttributesResponse(study=resources.study(study), position=self._position(head))

    def SealStudyAttributes(
        self, request: pb.SealStudyAttributesRequest, context: grpc.ServicerContext
    ) -> pb.SealStudyAttributesResponse:
        study, head = self._archive.attributes.seal(
            request.store, request.study_uid, request.attributes, resources.to_origin(request.origin)
        )
        return pb.SealStudyAttributesResponse(study=resources.study(study), position=self._position(head))

    def UnsealStudyAttributes(
        self, request: pb.UnsealStudyAttributesRequest, context: grpc.ServicerContext
    ) -> pb.UnsealStudyAttributesResponse:
        """Logged before it is tried: who asked, and for which study."""
        self._log.info("unseal", caller=_caller(context), store=request.store or "default", study_uid=request.study_uid)
        opened = self._archive.attributes.unseal(request.store, request.study_uid)
        return pb.UnsealStudyAttributesResponse(attributes=opened)

    def CompleteStudy(
        self, request: pb.CompleteStudyRequest, context: grpc.ServicerContext
    ) -> pb.CompleteStudyResponse:
        expected = request.expected_instance_count if request.HasField("expected_instance_count") else None
        head = self._archive.attributes.complete(
            request.store,
            request.study_uid,
            feed.to_reason(request.reason),
            expected,
            resources.to_origin(request.origin),
        )
        return pb.CompleteStudyResponse(position=self._position(head))

    def RecordEvidence(
        self, request: pb.RecordEvidenceRequest, context: grpc.ServicerContext
    ) -> pb.RecordEvidenceResponse:
        complete, head = self._archive.completing.record(
            request.store, request.study_uid, feed.to_fact(request.evidence), resources.to_origin(request.origin)
        )
        return pb.RecordEvidenceResponse(complete=complete, position=self._position(head))

    def GetStatistics(
        self, request: pb.GetStatisticsRequest, context: grpc.ServicerContext
    ) -> pb.GetStatisticsResponse:
        counts = self._archive.listing.statistics(request.store)
        return pb.GetStatisticsResponse(
            study_count=counts.study_count,
            series_count=counts.series_count,
            instance_count=counts.instance_count,
            size_bytes=counts.size_bytes,
            hidden_instance_count=counts.hidden_count,
            hidden_size_bytes=counts.hidden_bytes,
            head_position=self._archive.feed.head_position(),
        )

    def VerifyStore(self, request: pb.VerifyStoreRequest, context: grpc.ServicerContext) -> pb.VerifyStoreResponse:
        return pb.VerifyStoreResponse(operation=operation_to_proto(self._work.start_verify(request)))

    def BackUpArchive(
        self, request: pb.BackUpArchiveRequest, context: grpc.ServicerContext
    ) -> pb.BackUpArchiveResponse:
        return pb.BackUpArchiveResponse(operation=operation_to_proto(self._work.start_backup(request)))

    def ImportInstances(
        self, request: pb.ImportInstancesRequest, context: grpc.ServicerContext
    ) -> pb.ImportInstancesResponse:
        return pb.ImportInstancesResponse(operation=operation_to_proto(self._work.start_import(request)))

    def WatchFeed(self, request: pb.WatchFeedRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchFeedResponse]:
        after_us = request.after_time.ToMicroseconds() if request.HasField("after_time") else None
        headers = not request.omit_headers
        follower = self._archive.feed.follow(request.after_position, request.stores, headers, after_us)
        if not context.add_callback(follower.cancel):  # the call has ended already: nobody would end the wait
            return
        for page in follower.pages(request.stop_at_head):
            yield feed.feed_page(page, self._archive.feed.position)

    def _position(self, sequence: int) -> str:
        return str(self._archive.feed.position(sequence))


def _message(parts: list[bytes]) -> pb.DownloadInstancesResponse:
    """The parts in one, and nobody holds them any more: packed already (diana_server.packing)."""
    message = b"".join(parts)
    parts.clear()
    return cast(pb.DownloadInstancesResponse, message)


def _caller(context: grpc.ServicerContext) -> str:
    """The name that TLS vouches for, else the address."""
    names = context.peer_identities()
    return b", ".join(names).decode(errors="replace") if names else str(context.peer())
