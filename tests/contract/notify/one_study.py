"""An archive of one study, as far as notify asks one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2, resources_pb2
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceServicer, add_ArchiveServiceServicer_to_server
from diana_common.errors import DianaError, Reason
from diana_server.interceptor import CallInterceptor

UID = "1.2.3"
ATTRIBUTES = {"trial": "mammo", "site": "hospital_a"}
HEADER = {
    "00100020": {"vr": "LO", "Value": ["ZZPATIENTZZ"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
    "00081115": {"vr": "SQ", "Value": [{"0020000E": {"vr": "UI", "Value": ["1"]}}]},
    "00091001": {"vr": "LO", "Value": ["private"]},
}


class OneStudy(ArchiveServiceServicer):
    """The study completes once `complete` was called, at position "1"."""

    def __init__(self) -> None:
        self.asked = 0
        """How often the study was read."""
        self.unreachable = False
        self._completed = threading.Event()
        self._over = threading.Event()

    def complete(self) -> None:
        """Tell whoever follows the feed."""
        self._completed.set()

    def stop(self) -> None:
        """End every watch."""
        self._over.set()
        self._completed.set()

    def GetStatistics(
        self, request: pb.GetStatisticsRequest, context: grpc.ServicerContext
    ) -> pb.GetStatisticsResponse:
        return pb.GetStatisticsResponse(head_position="0")

    def WatchFeed(self, request: pb.WatchFeedRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchFeedResponse]:
        self._completed.wait(60)
        if request.after_position == "0" and not self._over.is_set():
            event = feed_pb2.StudyCompleted(study_uid=UID, instance_count=3, attributes=ATTRIBUTES)
            yield pb.WatchFeedResponse(entries=[feed_pb2.FeedEntry(store="deid", study_completed=event)], position="1")
        self._over.wait(60)

    def GetStudy(self, request: pb.GetStudyRequest, context: grpc.ServicerContext) -> pb.GetStudyResponse:
        self.asked += 1
        if self.unreachable:
            raise DianaError(Reason.OVERLOADED, "Too much.")
        if request.study_uid != UID:
            raise DianaError(Reason.STUDY_NOT_FOUND, "There is none.")
        study = resources_pb2.Study(store=request.store, study_uid=UID, attributes=ATTRIBUTES)
        return pb.GetStudyResponse(study=study)

    def ListInstances(
        self, request: pb.ListInstancesRequest, context: grpc.ServicerContext
    ) -> pb.ListInstancesResponse:
        return pb.ListInstancesResponse(instances=[resources_pb2.Instance(sop_instance_uid="1.2.3.4")])

    def GetInstanceHeader(
        self, request: pb.GetInstanceHeaderRequest, context: grpc.ServicerContext
    ) -> pb.GetInstanceHeaderResponse:
        return pb.GetInstanceHeaderResponse(dicom_json=json.dumps(HEADER).encode())


@contextmanager
def serving(archive: OneStudy) -> Iterator[str]:
    """Serve it; yields the address."""
    pool = ThreadPoolExecutor(8)
    server = grpc.server(pool, interceptors=[CallInterceptor("archive", 100, 4 << 20)])
    add_ArchiveServiceServicer_to_server(archive, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        archive.stop()
        server.stop(0).wait()
        pool.shutdown()
