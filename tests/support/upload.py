"""Uploading through the bare contract, where a test needs to see every message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import grpc
from google.rpc import error_details_pb2

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub

CHUNK_BYTES = 1 << 20


@contextmanager
def archive_stub(address: str) -> Iterator[ArchiveServiceStub]:
    """The archive's stub on a channel of its own."""
    with grpc.insecure_channel(address) as channel:
        yield ArchiveServiceStub(channel)


def chunks_of(tag: int, data: bytes) -> Iterator[pb.UploadChunk]:
    """One instance as chunks of at most 1 MiB."""
    for offset in range(0, max(len(data), 1), CHUNK_BYTES):
        piece = data[offset : offset + CHUNK_BYTES]
        yield pb.UploadChunk(tag=tag, write_offset=offset, data=piece, finish=offset + len(piece) == len(data))


def requests_for(instances: Iterable[bytes], store: str = "") -> Iterator[pb.UploadInstancesRequest]:
    """An upload stream's messages, a chunk a message; tags count from zero."""
    for tag, data in enumerate(instances):
        for chunk in chunks_of(tag, data):
            yield pb.UploadInstancesRequest(store=store, chunks=[chunk])


def upload(stub: ArchiveServiceStub, instances: Iterable[bytes], store: str = "") -> dict[int, pb.UploadResult]:
    """Upload on one stream; the answers by tag."""
    answers = stub.UploadInstances(requests_for(instances, store))
    return {result.tag: result for answer in answers for result in answer.results}


def read(stub: ArchiveServiceStub, sop_instance_uid: str, version: str = "", store: str = "") -> bytes:
    """One instance's bytes, whole."""
    request = pb.ReadInstanceRequest(store=store, sop_instance_uid=sop_instance_uid, version=version)
    return b"".join(answer.data for answer in stub.ReadInstance(request))


def reason_of(result: pb.UploadResult) -> str:
    """The ErrorReason in a refused result's status; empty for a stored one."""
    info = error_details_pb2.ErrorInfo()
    for detail in result.status.details:
        if detail.Unpack(info):
            return str(info.reason)
    return ""
