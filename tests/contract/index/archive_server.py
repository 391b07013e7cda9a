"""The fake archive behind gRPC, as far as the index asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2, resources_pb2
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceServicer, add_ArchiveServiceServicer_to_server
from diana_index.core.feed import Deleted, Entry, InstanceName, Omitted, Restored, Stored
from diana_server.interceptor import CallInterceptor
from diana_server.times import timestamp
from tests.unit.index.fake_archive import FakeArchive

_OMITTED = {
    Omitted.NO: feed_pb2.HEADER_OMITTED_UNSPECIFIED,
    Omitted.TOO_LARGE: feed_pb2.HEADER_OMITTED_TOO_LARGE,
    Omitted.PURGED: feed_pb2.HEADER_OMITTED_PURGED,
}


@contextmanager
def serving(archive: FakeArchive) -> Iterator[str]:
    """Serve it; yields the address."""
    pool = ThreadPoolExecutor(8)
    server = grpc.server(pool, interceptors=[CallInterceptor("archive", 100, 4 << 20)])
    add_ArchiveServiceServicer_to_server(_Servicer(archive), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
        pool.shutdown()


class _Servicer(ArchiveServiceServicer):
    def __init__(self, archive: FakeArchive) -> None:
        self._archive = archive

    def WatchFeed(self, request: pb.WatchFeedRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchFeedResponse]:
        watch = self._archive.watch(request.after_position, request.stop_at_head)
        context.add_callback(watch.cancel)
        for batch in watch:
            entries = [_entry(one) for one in batch.entries]
            yield pb.WatchFeedResponse(entries=entries, position=batch.position, entries_behind=batch.entries_behind)

    def GetInstanceHeader(
        self, request: pb.GetInstanceHeaderRequest, context: grpc.ServicerContext
    ) -> pb.GetInstanceHeaderResponse:
        held = self._archive.header(request.store, request.sop_instance_uid, request.version)
        instance = resources_pb2.Instance(
            study_uid=held.study_uid, series_uid=held.series_uid, current=held.current, version=request.version
        )
        return pb.GetInstanceHeaderResponse(instance=instance, dicom_json=held.dicom_json)


def _entry(entry: Entry) -> feed_pb2.FeedEntry:
    message = feed_pb2.FeedEntry(position=entry.position, store=entry.store, commit_time=timestamp(entry.commit_time))
    match entry.event:
        case Stored() as event:
            message.instance_stored.CopyFrom(_stored(entry.store, event))
        case Deleted(instances=names):
            message.instances_deleted.instances.extend(_name(one) for one in names)
        case Restored(instances=names):
            message.instances_restored.instances.extend(_name(one) for one in names)
        case None:
            message.study_completed.study_uid = "1"
    return message


def _stored(store: str, event: Stored) -> feed_pb2.InstanceStored:
    return feed_pb2.InstanceStored(
        instance=resources_pb2.Instance(
            store=store,
            study_uid=event.study_uid,
            series_uid=event.series_uid,
            sop_instance_uid=event.sop_uid,
            version=event.version,
            current=True,
        ),
        dicom_json=event.dicom_json,
        header_omitted=_OMITTED[event.omitted],
    )


def _name(name: InstanceName) -> feed_pb2.InstanceName:
    return feed_pb2.InstanceName(series_uid=name.series_uid, sop_instance_uid=name.sop_uid, version=name.version)
