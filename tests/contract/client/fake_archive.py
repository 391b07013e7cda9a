"""An archive in memory that keeps the contract, for the client's tests; and its ways of breaking it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceServicer
from diana.archive.v1.resources_pb2 import Instance, Selector, Series, Store, Study

PIECE = 1 << 20


def file_of(sop_instance_uid: str, body: bytes = b"", study_uid: str = "1.2", series_uid: str = "1.2.3") -> bytes:
    """A "Part 10 file" of the fake: its UIDs in text, a line's end, any bytes."""
    return f"{study_uid} {series_uid} {sop_instance_uid}\n".encode() + body


def status_of(code: int, reason: str, message: str, field_path: str = "", **metadata: str) -> status_pb2.Status:
    """A status as diana_server makes it."""
    status = status_pb2.Status(code=code, message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain="diana", metadata={"remedy": "Do better.", **metadata})
    details = [info]
    if field_path:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field_path, description="is bad")
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def refuse(context: grpc.ServicerContext, status: status_pb2.Status) -> NoReturn:
    """End the call with a rich status."""
    context.abort_with_status(rpc_status.to_status(status))


@dataclass
class Upload:
    """What the fake saw of one upload stream."""

    store: str = ""
    door: str = ""
    messages: list[pb.UploadInstancesRequest] = field(default_factory=list)
    open: dict[int, bytearray] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)


class FakeArchive(ArchiveServiceServicer):
    """Keeps files of `file_of` in a dict. Attributes beginning with `fail_` and `page` steer it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.uploads: list[Upload] = []
        self.cut_after: list[int] = []  # for each coming stream: break it after so many answers
        self.refuse_first_chunk = False
        self.busy = False
        self.calls: list[str] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.failures: list[status_pb2.Status] = []  # for the coming unary calls
        self.feed: list[feed_pb2.FeedEntry] = []
        self.feed_changed = threading.Condition()
        self.cut_feed_after = 0

    # uploads

    def UploadInstances(
        self, requests: Iterator[pb.UploadInstancesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.UploadInstancesResponse]:
        seen = Upload()
        self.uploads.append(seen)
        self.metadata.append(dict(context.invocation_metadata()))
        if self.busy:
            refuse(context, status_of(code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED", "Too many calls."))
        budget = self.cut_after.pop(0) if self.cut_after else None
        answered = 0
        for request in requests:
            if not seen.messages:
                seen.store, seen.door = request.store or "default", request.origin.door
            seen.messages.append(request)
            results = [result for chunk in request.chunks if (result := self._take(seen, chunk)) is not None]
            if budget is not None and answered + len(results) >= budget:
                yield pb.UploadInstancesResponse(results=results[: budget - answered])
                refuse(context, status_of(code_pb2.UNAVAILABLE, "STOPPING", "The server is stopping."))
            answered += len(results)
            if results:
                yield pb.UploadInstancesResponse(results=results)
        unfinished = [self._refusal(tag, "UPLOAD_INCOMPLETE") for tag in seen.open]
        if unfinished:
            yield pb.UploadInstancesResponse(results=unfinished)

    def _take(self, seen: Upload, chunk: pb.UploadChunk) -> pb.UploadResult | None:
        if chunk.tag in seen.refused:
            return None
        data = seen.open.setdefault(chunk.tag, bytearray())
        if chunk.write_offset != len(data) or self.refuse_first_chunk:
            del seen.open[chunk.tag]
            seen.refused.add(chunk.tag)
            return self._refusal(chunk.tag, "UPLOAD_ORDER")
        data += chunk.data
        return self._keep(chunk.tag, bytes(seen.open.pop(chunk.tag))) if chunk.finish else None

    def _keep(self, tag: int, data: bytes) -> pb.UploadResult:
        names = data.partition(b"\n")[0].split()
        if len(names) != 3:
            return self._refusal(tag, "NOT_PART10")
        sop_instance_uid = names[2].decode()
        outcome = pb.UploadResult.OUTCOME_ALREADY_STORED
        if sop_instance_uid not in self.files:
            outcome = pb.UploadResult.OUTCOME_STORED
            self.files[sop_instance_uid] = data
        position = f"0000000a-{len(self.files)}"
        return pb.UploadResult(tag=tag, outcome=outcome, instance=self.instance(sop_instance_uid), position=position)

    def _refusal(self, tag: int, reason: str) -> pb.UploadResult:
        return pb.UploadResult(tag=tag, status=status_of(code_pb2.INVALID_ARGUMENT, reason, "Refused.", "chunks"))

    # reading

    def instance(self, sop_instance_uid: str) -> Instance:
        data = self.files[sop_instance_uid]
        study_uid, series_uid, _ = (name.decode() for name in data.partition(b"\n")[0].split())
        return Instance(
            store="default",
            study_uid=study_uid,
            series_uid=series_uid,
            sop_instance_uid=sop_instance_uid,
            size_bytes=len(data),
            data_set_sha256=hashlib.sha256(data).digest(),
            version=sop_instance_uid,
            current=True,
        )

    def selected(self, selector: Selector) -> list[str]:
        wanted = set(selector.sop_instance_uids)
        return [
            uid
            for uid in sorted(self.files)
            if (not wanted or uid in wanted)
            and selector.study_uid in ("", self.instance(uid).study_uid)
            and selector.series_uid in ("", self.instance(uid).series_uid)
        ]

    def _enter(self, name: str, context: grpc.ServicerContext) -> None:
        self.calls.append(name)
        self.metadata.append(dict(context.invocation_metadata()))
        if self.failures:
            refuse(context, self.failures.pop(0))

    def FindMissingInstances(
        self, request: pb.FindMissingInstancesRequest, context: grpc.ServicerContext
    ) -> pb.FindMissingInstancesResponse:
        self._enter("FindMissingInstances", context)
        missing = [
            named.sop_instance_uid
            for named in request.instances
            if named.sop_instance_uid not in self.files
            or named.data_set_sha256 not in (b"", self.instance(named.sop_instance_uid).data_set_sha256)
        ]
        return pb.FindMissingInstancesResponse(missing_sop_instance_uids=missing)

    def ReadInstance(
        self, request: pb.ReadInstanceRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadInstanceResponse]:
        self._enter("ReadInstance", context)
        if request.sop_instance_uid not in self.files:
            refuse(context, status_of(code_pb2.NOT_FOUND, "INSTANCE_NOT_FOUND", "No such instance."))
        data = self.files[request.sop_instance_uid]
        end = request.read_offset + request.read_limit if request.read_limit else len(data)
        data = data[request.read_offset : end]
        for at in range(0, len(data), PIECE) or [0]:
            instance = None if at else self.instance(request.sop_instance_uid)
            yield pb.ReadInstanceResponse(instance=instance, data=data[at : at + PIECE])

    def DownloadInstances(
        self, request: pb.DownloadInstancesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadInstancesResponse]:
        self._enter("DownloadInstances", context)
        uids = self.selected(request.selector)
        if not uids:
            refuse(context, status_of(code_pb2.NOT_FOUND, "STUDY_NOT_FOUND", "No such study."))
        response = pb.DownloadInstancesResponse()
        for uid in uids:
            data = self.files[uid]
            for at in range(0, len(data), PIECE):
                piece = data[at : at + PIECE]
                if response.ByteSize() + len(piece) > PIECE:
                    yield response
                    response = pb.DownloadInstancesResponse()
                instance = None if at else self.instance(uid)
                response.chunks.add(instance=instance, data=piece, finish=at + PIECE >= len(data))
        yield response

    def GetInstanceHeader(
        self, request: pb.GetInstanceHeaderRequest, context: grpc.ServicerContext
    ) -> pb.GetInstanceHeaderResponse:
        self._enter("GetInstanceHeader", context)
        return pb.GetInstanceHeaderResponse(instance=self.instance(request.sop_instance_uid), dicom_json=b"{}")

    # lists

    def ListStores(self, request: pb.ListStoresRequest, context: grpc.ServicerContext) -> pb.ListStoresResponse:
        self._enter("ListStores", context)
        return pb.ListStoresResponse(stores=[Store(name="default")])

    def GetStudy(self, request: pb.GetStudyRequest, context: grpc.ServicerContext) -> pb.GetStudyResponse:
        self._enter("GetStudy", context)
        if not self.selected(Selector(study_uid=request.study_uid)):
            refuse(context, status_of(code_pb2.NOT_FOUND, "STUDY_NOT_FOUND", "No such study."))
        return pb.GetStudyResponse(study=Study(study_uid=request.study_uid))

    def ListStudies(self, request: pb.ListStudiesRequest, context: grpc.ServicerContext) -> pb.ListStudiesResponse:
        self._enter("ListStudies", context)
        uids = sorted({self.instance(uid).study_uid for uid in self.files})
        page, token = _page(uids, request.page_size, request.page_token)
        return pb.ListStudiesResponse(studies=[Study(study_uid=uid) for uid in page], next_page_token=token)

    def ListSeries(self, request: pb.ListSeriesRequest, context: grpc.ServicerContext) -> pb.ListSeriesResponse:
        self._enter("ListSeries", context)
        selector = Selector(study_uid=request.study_uid)
        uids = sorted({self.instance(uid).series_uid for uid in self.selected(selector)})
        page, token = _page(uids, request.page_size, request.page_token)
        return pb.ListSeriesResponse(series=[Series(series_uid=uid) for uid in page], next_page_token=token)

    def ListInstances(
        self, request: pb.ListInstancesRequest, context: grpc.ServicerContext
    ) -> pb.ListInstancesResponse:
        self._enter("ListInstances", context)
        uids = self.selected(Selector(study_uid=request.study_uid, series_uid=request.series_uid))
        page, token = _page(uids, request.page_size, request.page_token)
        return pb.ListInstancesResponse(instances=[self.instance(uid) for uid in page], next_page_token=token)

    # changes

    def DeleteInstances(
        self, request: pb.DeleteInstancesRequest, context: grpc.ServicerContext
    ) -> pb.DeleteInstancesResponse:
        self._enter("DeleteInstances", context)
        uids = self.selected(request.selector)
        for uid in uids:
            del self.files[uid]
        return pb.DeleteInstancesResponse(deleted_count=len(uids), position="0000000a-99")

    def CompleteStudy(
        self, request: pb.CompleteStudyRequest, context: grpc.ServicerContext
    ) -> pb.CompleteStudyResponse:
        self._enter("CompleteStudy", context)
        there = len(self.selected(Selector(study_uid=request.study_uid)))
        if request.HasField("expected_instance_count") and request.expected_instance_count != there:
            refuse(context, status_of(code_pb2.FAILED_PRECONDITION, "STUDY_INCOMPLETE", "Not all there."))
        return pb.CompleteStudyResponse(position="0000000a-100")

    # the feed

    def publish(self, *positions: str) -> None:
        """Add entries."""
        with self.feed_changed:
            self.feed.extend(feed_pb2.FeedEntry(position=position, store="default") for position in positions)
            self.feed_changed.notify_all()

    def WatchFeed(self, request: pb.WatchFeedRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchFeedResponse]:
        self._enter("WatchFeed", context)
        context.add_callback(self._wake)
        known = [entry.position for entry in self.feed]
        at = known.index(request.after_position) + 1 if request.after_position else 0
        while context.is_active():
            while at < len(self.feed):
                entry = self.feed[at]
                at += 1
                yield pb.WatchFeedResponse(entries=[entry], position=entry.position, entries_behind=len(self.feed) - at)
                if self.cut_feed_after and at == self.cut_feed_after:
                    self.cut_feed_after = 0
                    refuse(context, status_of(code_pb2.UNAVAILABLE, "STOPPING", "The server is stopping."))
            if request.stop_at_head:
                return
            with self.feed_changed:
                while at == len(self.feed) and context.is_active():
                    self.feed_changed.wait()

    def _wake(self) -> None:
        with self.feed_changed:
            self.feed_changed.notify_all()


def _page(items: list[str], size: int, token: str) -> tuple[list[str], str]:
    start, size = int(token or 0), size or 100
    return items[start : start + size], str(start + size) if start + size < len(items) else ""
