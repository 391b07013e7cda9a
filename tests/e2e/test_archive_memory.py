"""Crowds, giants and clients that stall: the archive's memory stays bounded, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import re
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import resources_pb2
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from tests.support.dicom_files import ROOT, make_small
from tests.support.large_files import digest_of, head_of, large_requests
from tests.support.mesh import Mesh
from tests.support.upload import archive_stub, read, reason_of, upload

MOST_MEGABYTES = 300
CROWD = 1000
GIANTS = 10
STALLED = 50
READERS = 400
MEGABYTE = 1_000_000


def peak_megabytes(mesh: Mesh) -> float:
    """The most memory that the archive's process had resident so far."""
    popen = mesh.processes["archive"].popen
    assert popen is not None
    status = Path(f"/proc/{popen.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024 / MEGABYTE


def serves_others(address: str, number: int) -> None:
    """An upload and a read complete."""
    uid = f"{ROOT}.77.{number}"
    with archive_stub(address) as stub:
        data = make_small(sop_uid=uid)
        assert reason_of(upload(stub, [data])[0]) == ""
        assert read(stub, uid) == data


class Guest:
    """One of a crowd: sends an instance and half of another, waits to be told, sends the rest."""

    def __init__(self, number: int, channel: grpc.aio.Channel, go: asyncio.Event) -> None:
        self.arrived = asyncio.Event()
        self.refusal = ""
        self._first = make_small(sop_uid=f"{ROOT}.65.{number}")
        self._second = make_small(sop_uid=f"{ROOT}.66.{number}")
        self._stub: Any = ArchiveServiceStub(channel)
        self._go = go

    async def run(self) -> bool:
        """Whether both are stored."""
        stored = 0
        try:
            async for answer in self._stub.UploadInstances(self._requests()):
                stored += [reason_of(result) for result in answer.results].count("")
                # The call has its place: nobody can come before it any more.
                self.arrived.set()
        except grpc.aio.AioRpcError as error:
            self.refusal = refusal_of(error)
        finally:
            self.arrived.set()
        return stored == 2

    async def _requests(self) -> AsyncIterator[pb.UploadInstancesRequest]:
        half = len(self._second) // 2
        whole = pb.UploadChunk(tag=0, data=self._first, finish=True)
        yield pb.UploadInstancesRequest(chunks=[whole, pb.UploadChunk(tag=1, data=self._second[:half])])
        await self._go.wait()
        rest = pb.UploadChunk(tag=1, write_offset=half, data=self._second[half:], finish=True)
        yield pb.UploadInstancesRequest(chunks=[rest])


def refusal_of(error: grpc.RpcError) -> str:
    """The ErrorReason of a refused call."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return str(info.reason)
    return ""


async def crowd(address: str, count: int) -> tuple[int, list[str]]:
    """So many uploads at once, in one moment all half done; how many are stored, and why the others are not."""
    async with AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, options=options)) for _ in range(10)
        ]
        go = asyncio.Event()
        guests = [Guest(number, channels[number % len(channels)], go) for number in range(count)]
        tasks = [asyncio.create_task(guest.run()) for guest in guests]
        for guest in guests:
            await guest.arrived.wait()
        await asyncio.to_thread(serves_others, address, 1)
        go.set()
        stored = await asyncio.gather(*tasks)
    return sum(stored), [guest.refusal for guest, done in zip(guests, stored, strict=True) if not done]


@pytest.mark.timeout(180)
def test_a_thousand_uploads_at_once_stay_within_memory(tmp_path: Path) -> None:
    with Mesh(tmp_path, "archive") as mesh:
        assert asyncio.run(crowd(mesh.archive, CROWD)) == (CROWD, [])
        assert peak_megabytes(mesh) < MOST_MEGABYTES


@pytest.mark.timeout(180)
def test_more_uploads_than_are_served_at_once_are_refused_and_may_come_again(tmp_path: Path) -> None:
    places = 40
    with Mesh(tmp_path, "archive", settings={"DIANA_ARCHIVE_SERVER__MAX_CONCURRENT_CALLS": str(places)}) as mesh:
        stored, refusals = asyncio.run(crowd_of_two(mesh.archive, places))
        assert stored == places
        assert refusals == ["OVERLOADED"] * places
        serves_others(mesh.archive, 2)


async def crowd_of_two(address: str, places: int) -> tuple[int, list[str]]:
    """A crowd that takes every place, and another behind it."""
    go = asyncio.Event()
    async with grpc.aio.insecure_channel(address) as channel:
        first = [Guest(number, channel, go) for number in range(places)]
        tasks = [asyncio.create_task(guest.run()) for guest in first]
        for guest in first:
            await guest.arrived.wait()
        second = await asyncio.to_thread(come_late, address, places)
        go.set()
        stored = await asyncio.gather(*tasks)
    return sum(stored), second


def come_late(address: str, count: int) -> list[str]:
    """Uploads one after the other; why they are refused."""
    refusals = []
    with archive_stub(address) as stub:
        for number in range(count):
            try:
                upload(stub, [make_small(sop_uid=f"{ROOT}.33.{number}")])
            except grpc.RpcError as error:
                refusals.append(refusal_of(error))
    return refusals


def send_giants(tmp_path: Path, pixel_bytes: int) -> None:
    """Ten large instances at once, and small ones beside them."""
    uids = [f"{ROOT}.55.{number}" for number in range(GIANTS)]

    def send(uid: str) -> str:
        with archive_stub(mesh.archive) as stub:
            answers = list(stub.UploadInstances(large_requests(uid, pixel_bytes)))
            return reason_of(answers[0].results[0])

    with Mesh(tmp_path, "archive") as mesh, ThreadPoolExecutor(GIANTS) as pool:
        sending = [pool.submit(send, uid) for uid in uids]
        numbers = itertools.count(100)
        while not all(one.done() for one in sending):
            serves_others(mesh.archive, next(numbers))
        assert [one.result() for one in sending] == [""] * GIANTS
        with archive_stub(mesh.archive) as stub:
            assert read_digest(stub, uids[-1]) == digest_of(uids[-1], pixel_bytes)
        assert peak_megabytes(mesh) < MOST_MEGABYTES


def read_digest(stub: Any, uid: str) -> str:
    digest = hashlib.sha256()
    for answer in stub.ReadInstance(pb.ReadInstanceRequest(sop_instance_uid=uid)):
        digest.update(answer.data)
    return digest.hexdigest()


@pytest.mark.timeout(180)
def test_ten_large_instances_at_once_stay_within_memory(tmp_path: Path) -> None:
    send_giants(tmp_path, 100 * MEGABYTE)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_instances_of_two_gigabytes_at_once_stay_within_memory(tmp_path: Path) -> None:
    send_giants(tmp_path, 2000 * MEGABYTE)


def stalling_requests(uid: str, sent: threading.Event, end: threading.Event) -> Iterator[pb.UploadInstancesRequest]:
    """Some megabytes of an instance, then nothing."""
    yield from itertools.islice(large_requests(uid, 50 * MEGABYTE), 5)
    sent.set()
    end.wait()


@pytest.mark.timeout(180)
def test_clients_that_stall_hold_up_nobody_and_little_memory(tmp_path: Path) -> None:
    end = threading.Event()
    with Mesh(tmp_path, "archive") as mesh, ExitStack() as stack:
        stack.callback(end.set)
        stubs = [stack.enter_context(archive_stub(mesh.archive)) for _ in range(5)]
        uid = f"{ROOT}.55.1"
        assert reason_of(next(stubs[0].UploadInstances(large_requests(uid, 50 * MEGABYTE))).results[0]) == ""
        sent = [threading.Event() for _ in range(STALLED)]
        calls: list[Any] = []
        for number, event in enumerate(sent):
            stub = stubs[number % len(stubs)]
            calls.append(stub.UploadInstances(stalling_requests(f"{ROOT}.44.{number}", event, end)))
            # Neither do these take what they asked for, but for the first of it.
            for reading in (
                stub.ReadInstance(pb.ReadInstanceRequest(sop_instance_uid=uid)),
                stub.DownloadInstances(
                    pb.DownloadInstancesRequest(selector=resources_pb2.Selector(sop_instance_uids=[uid]))
                ),
                stub.WatchFeed(pb.WatchFeedRequest()),
            ):
                next(reading)
                calls.append(reading)
        for event in sent:
            assert event.wait(60)
        serves_others(mesh.archive, 3)
        assert peak_megabytes(mesh) < MOST_MEGABYTES
        for call in calls:
            call.cancel()


def halves(sop_uid: str) -> bytes:
    """A file of 3.9 MB that Zstandard makes half as large."""
    pixels = bytearray(3_900_000)
    pixels[::2] = random.Random(sop_uid).randbytes(len(pixels) // 2)
    return head_of(sop_uid, len(pixels)) + pixels


def narrow_channel(address: str) -> grpc.Channel:
    """One whose window does not grow: what the client does not take, the server has to hold."""
    return grpc.insecure_channel(address, options=[("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)])


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("pieces", [1, 4])
@pytest.mark.timeout(180)
def test_a_crowd_of_readers_that_stall_holds_up_nobody_and_little_memory(
    tmp_path: Path, compression: str, pieces: int
) -> None:
    uid = f"{ROOT}.91.{pieces}"
    data = halves(uid)
    selector = resources_pb2.Selector(sop_instance_uids=[uid])
    settings = {"DIANA_ARCHIVE_STORES__DEFAULT__COMPRESSION": compression}
    with Mesh(tmp_path, "archive", settings=settings) as mesh, ExitStack() as stack:
        stubs = [ArchiveServiceStub(stack.enter_context(narrow_channel(mesh.archive))) for _ in range(10)]
        assert reason_of(upload_in(stubs[0], data, pieces)) == ""
        calls: list[Any] = []
        for number in range(READERS // 2):
            stub = stubs[number % len(stubs)]
            calls.append(stub.ReadInstance(pb.ReadInstanceRequest(sop_instance_uid=uid)))
            calls.append(stub.DownloadInstances(pb.DownloadInstancesRequest(selector=selector)))
        for call in calls:
            next(call)
        with archive_stub(mesh.archive) as stub:
            assert read(stub, uid) == data
        serves_others(mesh.archive, 4)
        assert peak_megabytes(mesh) < MOST_MEGABYTES
        # Nor has any of them lost its place.
        assert data.endswith(b"".join(answer.data for answer in calls[0]))
        for call in calls:
            call.cancel()


def upload_in(stub: Any, data: bytes, pieces: int) -> pb.UploadResult:
    """In so many pieces: one of 4 MiB goes into a pack, several into a file of their own."""
    size = -(-len(data) // pieces)
    requests = []
    for offset in range(0, len(data), size):
        piece = data[offset : offset + size]
        chunk = pb.UploadChunk(tag=0, write_offset=offset, data=piece, finish=offset + size >= len(data))
        requests.append(pb.UploadInstancesRequest(chunks=[chunk]))
    answers: list[pb.UploadInstancesResponse] = list(stub.UploadInstances(iter(requests)))
    return answers[0].results[0]
