"""The archive alone, as a process of its own on a free port, and what is measured of it."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench.room import BenchError, peak_bytes
from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from diana_client import ArchiveClient, connect
from tests.support.mesh import Mesh

_UNANSWERED = 64
"""Instances that a stream of single messages leaves unanswered at a time."""


@dataclass(frozen=True)
class Archive:
    """One that runs: its client, the channel beneath, its state directory and process."""

    client: ArchiveClient
    channel: grpc.Channel
    address: str
    state: Path
    pid: int

    def peak_bytes(self) -> int:
        """The most memory that was resident at a time so far."""
        return peak_bytes(self.pid)


@contextlib.contextmanager
def running(folder: Path, state: Path | None = None) -> Iterator[Archive]:
    """Start an archive that keeps everything in `folder`, its state in `state` if given; stop it at the end."""
    state = state or folder / "state" / "archive"
    # No study of those that are there already completes itself meanwhile.
    settings = {
        "DIANA_ARCHIVE_STATE_DIR": str(state),
        "DIANA_ARCHIVE_STORES": '{"default": {"quiet_period_seconds": 0}}',
    }
    with Mesh(folder / "state", "archive", settings=settings) as mesh, connect(mesh.archive) as channel:
        process = mesh.processes["archive"].popen
        if process is None:
            raise BenchError("the archive did not start")
        client = ArchiveClient(channel)
        client.stores()
        yield Archive(client, channel.raw, mesh.archive, state, process.pid)


def upload(archive: Archive, paths: Sequence[Path], streams: int) -> float:
    """Send the files over `streams` streams of one client; seconds until all are durable.

    Raises BenchError when one is refused.
    """
    started = time.perf_counter()
    for result in archive.client.upload(paths, streams=streams):
        if result.error is not None:
            raise BenchError(f"the archive refused a file: {result.error}")
    return time.perf_counter() - started


def upload_singly(archive: Archive, paths: Sequence[Path], streams: int) -> float:
    """The same with one instance a message, as a client that is not ours may send them."""
    failures: list[Exception] = []

    def send(share: Sequence[Path]) -> None:
        try:
            _send_singly(ArchiveServiceStub(archive.channel), share)
        except Exception as error:  # raised again below, in the thread that measures
            failures.append(error)

    threads = [threading.Thread(target=send, args=(paths[number::streams],)) for number in range(streams)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if failures:
        raise failures[0]
    return seconds


def _send_singly(stub: ArchiveServiceStub, paths: Sequence[Path]) -> None:
    room = threading.BoundedSemaphore(_UNANSWERED)

    def messages() -> Iterator[pb.UploadInstancesRequest]:
        for tag, path in enumerate(paths):
            room.acquire()
            yield pb.UploadInstancesRequest(chunks=[pb.UploadChunk(tag=tag, data=path.read_bytes(), finish=True)])

    answered = 0
    for response in stub.UploadInstances(messages()):
        for result in response.results:
            if result.HasField("status"):
                raise BenchError(f"the archive refused a file: {result.status.message}")
            answered += 1
            room.release()
    if answered != len(paths):
        raise BenchError(f"of {len(paths)} files {answered} were answered")
