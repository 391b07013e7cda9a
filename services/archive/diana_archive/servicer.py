"""ArchiveService: decode, ask the core, encode."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceServicer
from diana_archive import wire
from diana_archive.core.archive import Archive
from diana_archive.core.importing import Imported, ImportSources
from diana_archive.core.ports import Backup
from diana_archive.core.pump import first_message
from diana_archive.core.verifying import Verified
from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid
from diana_server.callers import is_on_this_host
from diana_server.logs import logger
from diana_server.operations import OperationQueue, Work
from diana_server.operations.wire import operation_to_proto

VERIFY = "archive.verify"
BACKUP = "archive.backup"
IMPORT = "archive.import"
_FILES_A_CHECKPOINT = 100
_MOST_FAILURES = 10_000
"""Of an import, in its operation; those after them are counted only."""
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
        self._queue = queue
        self._backup = backup
        self._sources = sources
        queue.register(VERIFY, self._verify)
        queue.register(BACKUP, self._back_up)
        queue.register(IMPORT, self._import)
        self._stopping = stopping
        self._log = logger("archive")

    def UploadInstances(
        self, request_iterator: Iterator[pb.UploadInstancesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.UploadInstancesResponse]:
        """Receives in a thread of its own while this one answers."""
        first = first_message(request_iterator, self._stopping)
        if first is None:
            return
        upload = self._archive.upload(first.store, wire.to_origin(first.origin))
        context.add_callback(upload.cut)
        pump = self._archive.pump(upload, map(wire.to_chunks, chain([first], request_iterator)))
        for answers in pump.answers(self._stopping):
            yield wire.upload_results(answers, self._archive.feed.position)

    def GetUpload(self, request: pb.GetUploadRequest, context: grpc.ServicerContext) -> pb.GetUploadResponse:
        size_bytes, expire_us = self._archive.upload_progress(request.store, request.upload_id)
        return pb.GetUploadResponse(write_offset=size_bytes, expire_time=wire.timestamp(expire_us))

    def AdoptInstances(
        self, request_iterator: Iterator[pb.AdoptInstancesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.AdoptInstancesResponse]:
        """Files are read in a thread of their own while this one answers."""
        first = first_message(request_iterator, self._stopping)
        if first is None:
            return
        upload = self._archive.upload(first.store, wire.to_origin(first.origin))
        adoption = self._archive.adoption(upload, first.spool, is_on_this_host(context.peer()))
        context.add_callback(upload.cut)
        messages = (adoption.chunks(wire.to_files(message)) for message in chain([first], request_iterator))
        with closing(adoption):
            for answers in self._archive.pump(upload, messages).answers(self._stopping):
                yield wire.adopt_results(adoption.settle(answers), self._archive.feed.position)

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
        return map(wire.read_response, pieces)

    def DownloadInstances(
        self, request: pb.DownloadInstancesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadInstancesResponse]:
        """Packs small instances together, up to about 1 MiB, less where many read."""
        message, size = pb.DownloadInstancesResponse(), 0
        for piece in self._archive.reading.download(request.store, wire.to_selector(request.selector)):
            if size and size + len(piece.data) > self._archive.reading.piece_bytes:
                yield message
                message, size = pb.DownloadInstancesResponse(), 0
            wire.add_chunk(message, piece)
            size += len(piece.data) + _CHUNK_OVERHEAD
        if size:
            yield message

    def GetInstanceHeader(
        self, request: pb.GetInstanceHeaderRequest, context: grpc.ServicerContext
    ) -> pb.GetInstanceHeaderResponse:
        instance, header = self._archive.reading.header(request.store, request.sop_instance_uid, request.version)
        return pb.GetInstanceHeaderResponse(instance=wire.instance(instance), dicom_json=header)

    def ListStores(self, request: pb.ListStoresRequest, context: grpc.ServicerContext) -> pb.ListStoresResponse:
        return pb.ListStoresResponse(stores=[wire.store(one) for one in self._archive.policies.all()])

    def GetStudy(self, request: pb.GetStudyRequest, context: grpc.ServicerContext) -> pb.GetStudyResponse:
        return pb.GetStudyResponse(study=wire.study(self._archive.listing.study(request.store, request.study_uid)))

    def ListStudies(self, request: pb.ListStudiesRequest, context: grpc.ServicerContext) -> pb.ListStudiesResponse:
        page = self._archive.listing.studies(request.store, request.page_size, request.page_token)
        return pb.ListStudiesResponse(studies=[wire.study(one) for one in page.items], next_page_token=page.next_token)

    def ListSeries(self, request: pb.ListSeriesRequest, context: grpc.ServicerContext) -> pb.ListSeriesResponse:
        page = self._archive.listing.series(request.store, request.study_uid, request.page_size, request.page_token)
        return pb.ListSeriesResponse(series=[wire.series(one) for one in page.items], next_page_token=page.next_token)

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
            instances=[wire.instance(one) for one in page.items], next_page_token=page.next_token
        )

    def DeleteInstances(
        self, request: pb.DeleteInstancesRequest, context: grpc.ServicerContext
    ) -> pb.DeleteInstancesResponse:
        selector, origin = wire.to_selector(request.selector), wire.to_origin(request.origin)
        count, until, head = self._archive.deleting.delete(request.store, selector, origin)
        return pb.DeleteInstancesResponse(
            deleted_count=count,
            restorable_until=wire.timestamp(until) if count else None,
            position=self._position(head),
        )

    def UndeleteInstances(
        self, request: pb.UndeleteInstancesRequest, context: grpc.ServicerContext
    ) -> pb.UndeleteInstancesResponse:
        selector, origin = wire.to_selector(request.selector), wire.to_origin(request.origin)
        count, head = self._archive.deleting.undelete(request.store, selector, origin)
        return pb.UndeleteInstancesResponse(restored_count=count, position=self._position(head))

    def UpdateStudyAttributes(
        self, request: pb.UpdateStudyAttributesRequest, context: grpc.ServicerContext
    ) -> pb.UpdateStudyAttributesResponse:
        study, head = self._archive.attributes.update(
            request.store, request.study_uid, request.set, request.remove, wire.to_origin(request.origin)
        )
        return pb.UpdateStudyAttributesResponse(study=wire.study(study), position=self._position(head))

    def SealStudyAttributes(
        self, request: pb.SealStudyAttributesRequest, context: grpc.ServicerContext
    ) -> pb.SealStudyAttributesResponse:
        study, head = self._archive.attributes.seal(
            request.store, request.study_uid, request.attributes, wire.to_origin(request.origin)
        )
        return pb.SealStudyAttributesResponse(study=wire.study(study), position=self._position(head))

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
            request.store, request.study_uid, wire.to_reason(request.reason), expected, wire.to_origin(request.origin)
        )
        return pb.CompleteStudyResponse(position=self._position(head))

    def RecordEvidence(
        self, request: pb.RecordEvidenceRequest, context: grpc.ServicerContext
    ) -> pb.RecordEvidenceResponse:
        complete, head = self._archive.completing.record(
            request.store, request.study_uid, wire.to_fact(request.evidence), wire.to_origin(request.origin)
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
        store = self._archive.policies.find(request.store).name
        payload = pb.VerifyStoreRequest(store=store, repair=request.repair).SerializeToString(deterministic=True)
        operation = self._queue.submit_or_join(VERIFY, payload, store, request.request_id)
        return pb.VerifyStoreResponse(operation=operation_to_proto(operation))

    def BackUpArchive(
        self, request: pb.BackUpArchiveRequest, context: grpc.ServicerContext
    ) -> pb.BackUpArchiveResponse:
        if self._backup is None:
            raise config_invalid("backup_dir", "is not configured")
        operation = self._queue.submit_or_join(BACKUP, request_id=request.request_id)
        return pb.BackUpArchiveResponse(operation=operation_to_proto(operation))

    def ImportInstances(
        self, request: pb.ImportInstancesRequest, context: grpc.ServicerContext
    ) -> pb.ImportInstancesResponse:
        """Its path is in the operation's payload, which no RPC shows."""
        store = self._archive.policies.find(request.store).name
        wire.to_origin(request.origin)
        kept = pb.ImportInstancesRequest(store=store, path=request.path, origin=request.origin)
        asked = IMPORT, kept.SerializeToString(deterministic=True), store, request.request_id
        if not (operation := self._queue.repeated(*asked)):
            self._open_sources().open(request.path)
            operation = self._queue.submit(*asked)
        return pb.ImportInstancesResponse(operation=operation_to_proto(operation))

    def WatchFeed(self, request: pb.WatchFeedRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchFeedResponse]:
        feed = self._archive.feed
        follower = feed.follow(request.after_position, request.stores, headers=not request.omit_headers)
        context.add_callback(follower.cancel)
        for page in follower.pages(request.stop_at_head):
            yield wire.feed_page(page, feed.position)

    def _verify(self, work: Work) -> pb.VerifyStoreResult:
        """An operation of kind `archive.verify`; one that was cut short goes on where it was."""
        request = pb.VerifyStoreRequest.FromString(work.payload)
        begun = Verified.from_bytes(work.last_checkpoint)
        return wire.verify_result(self._archive.verifying.verify(request.store, request.repair, begun, _Watcher(work)))

    def _back_up(self, work: Work) -> pb.BackUpArchiveResult:
        """An operation of kind `archive.backup`; one that was cut short begins anew and finds most of it there."""
        if self._backup is None:
            raise config_invalid("backup_dir", "is not configured")
        return wire.backup_result(self._archive.backing_up.back_up(self._backup(), _Watcher(work)))

    def _import(self, work: Work) -> pb.ImportInstancesResult:
        """An operation of kind `archive.import`; one that was cut short goes on where it was."""
        request = pb.ImportInstancesRequest.FromString(work.payload)
        source = self._open_sources().open(request.path)
        origin = replace(wire.to_origin(request.origin), operation=work.operation)
        begun = Imported.from_bytes(work.last_checkpoint)
        done = self._archive.importing.run(source, request.store, origin, begun, _ImportWatcher(work, begun))
        work.progress(done.file_count, done.file_count, "file")
        return wire.import_result(done)

    def _open_sources(self) -> ImportSources:
        if self._sources is None:
            raise DianaError(Reason.PATH_FORBIDDEN, "No directory is open for imports.")
        return self._sources

    def _position(self, sequence: int) -> str:
        return str(self._archive.feed.position(sequence))


class _Watcher:
    """core.verifying.Watcher over an operation."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def progress(self, done: int, total: int) -> None:
        self._work.progress(done, total, "instance")
        self._work.raise_if_cancelled()

    def fail(self, item: str, error: DianaError) -> None:
        self._work.fail_item(item, error)

    def reached(self, verified: Verified) -> None:
        self._work.checkpoint(verified.to_bytes())
        self._work.raise_if_cancelled()


class _ImportWatcher:
    """core.importing.ImportWatcher over an operation."""

    def __init__(self, work: Work, begun: Imported) -> None:
        self._work = work
        self._latest = self._kept = begun
        # Files since the checkpoint come again after a restart, and were told of already.
        self._told_before = work.failed_items
        self._told = len(self._told_before)

    def working(self) -> None:
        if self._work.cancelled():
            self._keep()
            self._work.raise_if_cancelled()

    def reached(self, imported: Imported) -> None:
        self._latest = imported
        self._work.progress(imported.file_count, 0, "file")
        if imported.file_count - self._kept.file_count >= _FILES_A_CHECKPOINT:
            self._keep()
        self.working()

    def fail(self, name: str, error: DianaError) -> None:
        if name not in self._told_before and self._told < _MOST_FAILURES:
            self._told += 1
            self._work.fail_item(name, error)

    def _keep(self) -> None:
        self._work.checkpoint(self._latest.to_bytes())
        self._kept = self._latest


def _caller(context: grpc.ServicerContext) -> str:
    """The name that TLS vouches for, else the address."""
    names = context.peer_identities()
    return b", ".join(names).decode(errors="replace") if names else str(context.peer())
