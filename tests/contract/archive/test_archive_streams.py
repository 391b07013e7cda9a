"""Upload streams that end badly, wait, or run when the server stops: over a real network."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from diana_common.errors import Reason
from tests.contract.archive.harness import Clock, GrpcDoor, Rig, chunk, get, make, open_door, put, refused, translated
from tests.contract.archive.test_archive_upload import objects_left
from tests.support.upload import reason_of

SECONDS = 20


class Stream:
    """An upload whose messages are sent one by one."""

    def __init__(self, stub: ArchiveServiceStub) -> None:
        self._messages: queue.Queue[pb.UploadInstancesRequest | None] = queue.Queue()
        self.call = stub.UploadInstances(self._sent(), timeout=SECONDS)

    def _sent(self) -> Iterator[pb.UploadInstancesRequest]:
        while (message := self._messages.get()) is not None:
            yield message

    def send(self, *chunks: pb.UploadChunk) -> None:
        self._messages.put(pb.UploadInstancesRequest(chunks=chunks))

    def close(self) -> None:
        self._messages.put(None)


def eventually(true: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def grpc_door(rig: Rig) -> Iterator[GrpcDoor]:
    with open_door("grpc", rig) as door:
        yield door


def stored(rig: Rig) -> int:
    return rig.archive.listing.statistics("").instance_count


def test_answers_come_while_the_stream_is_open(grpc_door: GrpcDoor) -> None:
    stream = Stream(grpc_door.stub)
    for tag in range(3):
        stream.send(chunk(tag, make(tag)))
        assert [result.tag for result in next(stream.call).results] == [tag]
    stream.close()
    assert list(stream.call) == []


def test_a_stream_cut_in_the_middle_keeps_what_was_finished_and_drops_the_rest(grpc_door: GrpcDoor, rig: Rig) -> None:
    stream = Stream(grpc_door.stub)
    stream.send(chunk(1, make(1)), chunk(2, make(2)[:4000], 0, False))
    next(stream.call)
    stream.call.cancel()
    eventually(lambda: objects_left(rig) == 1)
    assert stored(rig) == 1
    assert get(grpc_door, 1) == make(1)
    put(grpc_door, make(2))


def test_a_stream_cut_again_and_again_leaves_nothing_half_there(grpc_door: GrpcDoor, rig: Rig) -> None:
    for number in range(20):
        stream = Stream(grpc_door.stub)
        stream.send(*(chunk(tag, make(100 * number + tag)) for tag in range(10)))
        stream.send(chunk(11, make(11)[:3000], 0, False))
        if number % 2:
            next(stream.call)
        stream.call.cancel()
    eventually(lambda: objects_left(rig) == stored(rig))
    put(grpc_door, make(5000))


def test_a_bad_message_ends_the_stream_after_the_answers(grpc_door: GrpcDoor) -> None:
    stream = Stream(grpc_door.stub)
    stream.send(chunk(1, make(1)))
    stream._messages.put(pb.UploadInstancesRequest(store="NOT A NAME"))
    answers: list[pb.UploadResult] = []
    with refused(Reason.INVALID_FIELD), translated():
        for answer in stream.call:
            answers += answer.results
    assert [result.tag for result in answers] == [1]


def test_a_stalled_upload_holds_up_nobody(grpc_door: GrpcDoor) -> None:
    stalled = [Stream(grpc_door.stub) for _ in range(20)]
    for number, stream in enumerate(stalled):
        stream.send(chunk(1, make(number)[:4000], 0, False))
    put(grpc_door, *(make(number) for number in range(20)))
    for number, stream in enumerate(stalled):
        stream.send(chunk(1, make(number)[4000:], 4000))
        stream.close()
        results = [result for answer in stream.call for result in answer.results]
        assert [result.outcome for result in results] == [pb.UploadResult.OUTCOME_ALREADY_STORED]


def test_an_upload_that_is_open_when_the_archive_stops_is_told_so(rig: Rig) -> None:
    with open_door("grpc", rig) as door:
        stream = Stream(door.stub)
        stream.send(chunk(1, make(1)), chunk(2, make(2)[:4000], 0, False))
        assert [result.tag for result in next(stream.call).results] == [1]
        stop = threading.Thread(target=door.server.stop, args=(SECONDS,))
        stop.start()
        with refused(Reason.STOPPING), translated():
            list(stream.call)
        stop.join()
    assert stored(rig) == 1
    eventually(lambda: objects_left(rig) == 1)


def test_an_upload_that_has_sent_nothing_yet_is_told_that_the_archive_stops(rig: Rig) -> None:
    with open_door("grpc", rig) as door:
        stream = Stream(door.stub)
        eventually(lambda: bool([one for one in threading.enumerate() if one.name == "upload-first"]))
        stop = threading.Thread(target=door.server.stop, args=(SECONDS,))
        stop.start()
        with refused(Reason.STOPPING), translated():
            list(stream.call)
        stop.join()


def test_an_instance_over_the_limit_is_refused_and_the_next_is_stored(
    store_kind: str, tmp_path: Path, clock: Clock
) -> None:
    rig = Rig(store_kind, tmp_path / "small", clock, max_instance_bytes=len(make(1)))
    with open_door("grpc", rig) as door:
        stream = Stream(door.stub)
        big = make(1, TextValue="x" * 100)
        stream.send(chunk(1, big), chunk(2, big[:5000], 0, False), chunk(2, big[5000:], 5000, False))
        stream.send(chunk(2, b"more", len(big), False), chunk(2, b"", 0), chunk(3, make(1)))
        stream.close()
        answers = {result.tag: result for answer in stream.call for result in answer.results}
    assert [reason_of(answers[tag]) for tag in (1, 2, 3)] == ["INSTANCE_TOO_LARGE", "INSTANCE_TOO_LARGE", ""]
    assert objects_left(rig) == 1
    rig.close()


@pytest.mark.parametrize("store_kind", ["memory"])  # what is refused comes to no store
def test_more_instances_than_may_wait_unanswered_are_all_answered(grpc_door: GrpcDoor) -> None:
    def messages() -> Iterator[pb.UploadInstancesRequest]:
        for start in range(0, 60_000, 1000):
            yield pb.UploadInstancesRequest(chunks=[chunk(start + tag, b"x") for tag in range(1000)])

    call = grpc_door.stub.UploadInstances(messages(), timeout=60)
    answers = [result for answer in call for result in answer.results]
    assert len(answers) == 60_000


@pytest.fixture(autouse=True)
def no_thread_is_left(rig: Rig) -> Iterator[None]:
    """Every stream's threads end with it."""
    yield
    eventually(lambda: not [one for one in threading.enumerate() if one.name.startswith("upload")])


def test_a_follower_who_leaves_is_forgotten(grpc_door: GrpcDoor, rig: Rig) -> None:
    call = grpc_door.stub.WatchFeed(pb.WatchFeedRequest(), timeout=SECONDS)
    next(call)
    put(grpc_door, make(1))
    next(call)
    eventually(lambda: len(rig.archive.feed._followers) == 1)
    call.cancel()
    eventually(lambda: not rig.archive.feed._followers)
