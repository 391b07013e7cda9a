"""The account of an upload, without any connection."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Instance
from diana.type.v1.origin_pb2 import Origin
from diana_client.errors import InvalidRequest, Unavailable
from diana_client.items import CHUNK_BYTES, UploadItem, as_item
from diana_client.ledger import Entry, Lane, Ledger, delay_after, packed
from diana_client.packing import Packer

CUT = Unavailable(grpc.StatusCode.UNAVAILABLE, "Gone.", reason="STOPPING")


class ReadsOnce:
    def read(self, size: int, /) -> bytes:
        return b""


def _answer(*tags: int) -> pb.UploadInstancesResponse:
    instance = Instance(sop_instance_uid="1.1")
    stored = pb.UploadResult.OUTCOME_STORED
    return pb.UploadInstancesResponse(
        results=[pb.UploadResult(tag=tag, outcome=stored, instance=instance) for tag in tags]
    )


def _send(entry: Entry) -> None:
    for _ in packed(entry, Packer("", None)):
        pass


def test_room_is_taken_by_admission_and_freed_by_taking_the_result() -> None:
    ledger = Ledger(window=10_000)
    ledger.admit(UploadItem("a", bytes(20_000)))
    assert not ledger.has_room
    lane = Lane(ledger, attempts=3)
    _send(lane.begin())
    lane.answer(_answer(1))
    assert not ledger.has_room
    assert ledger.take().key == "a"
    assert ledger.has_room
    assert not ledger.finished
    ledger.exhaust(None)
    assert ledger.finished


def test_what_was_cut_goes_first_in_its_order_under_new_tags() -> None:
    ledger = Ledger(window=10_000)
    for key in "abcd":
        ledger.admit(UploadItem(key, b"data"))
    lane = Lane(ledger, attempts=3)
    for entry in (first := [lane.begin(), lane.begin(), lane.begin()]):
        _send(entry)
    lane.answer(_answer(2))
    assert lane.cut(CUT) > 0
    again = [lane.begin() for _ in range(3)]
    assert [entry.item.key for entry in again] == ["a", "c", "d"]
    assert not {entry.tag for entry in again} & {entry.tag for entry in first}
    assert ledger.take().key == "b"


def test_a_source_that_reads_once_is_answered_with_the_cut() -> None:
    ledger = Ledger(window=10_000)
    ledger.admit(UploadItem("once", ReadsOnce()))
    lane = Lane(ledger, attempts=3)
    lane.begin()
    lane.cut(CUT)
    assert ledger.take().error is CUT
    assert not ledger.waiting


def test_a_lane_gives_up_after_its_attempts_unless_answers_come_between() -> None:
    ledger = Ledger(window=10_000)
    lane = Lane(ledger, attempts=2)
    ledger.admit(UploadItem("a", b"data"))
    lane.cut(CUT)
    _send(entry := lane.begin())
    lane.answer(_answer(entry.tag))
    lane.cut(CUT)
    with pytest.raises(Unavailable):
        lane.cut(CUT)


def test_an_error_that_time_does_not_heal_is_not_tried_again() -> None:
    error = InvalidRequest(grpc.StatusCode.INVALID_ARGUMENT, "No such thing.")
    with pytest.raises(InvalidRequest):
        Lane(Ledger(window=1), attempts=9).cut(error)


def test_delays_grow_up_to_a_bound() -> None:
    delays = [delay_after(failures) for failures in (1, 2, 3, 10, 10_000)]
    assert delays == sorted(delays)
    assert delays[0] == 0.2
    assert delays[-1] == 5.0


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_chunks_follow_one_another_and_the_last_one_says_so(size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    packer = Packer("trial", None)
    raw = [*packed(Entry(UploadItem("a", data), 0, tag=5), packer), packer.flush()]
    messages = [pb.UploadInstancesRequest.FromString(one) for one in raw]
    chunks = [chunk for message in messages for chunk in message.chunks]
    assert b"".join(chunk.data for chunk in chunks) == data
    assert [chunk.finish for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    offset = 0
    for chunk in chunks:
        assert (chunk.tag, chunk.write_offset) == (5, offset)
        offset += len(chunk.data)
    assert [message.store for message in messages] == ["trial"] + [""] * (len(messages) - 1)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16_383, 16_384, 2**32, 2**63 - 2])
def test_messages_are_byte_for_byte_what_protobuf_makes_of_them(number: int) -> None:
    origin = Origin(door="folder", source="site")
    packer = Packer("trial", origin)
    assert not packer.pending
    assert not list(packer.add(number + 1, number + 1, b"abc", False))
    assert not list(packer.add(number + 1, number + 1, bytes(300), True))
    chunks = [
        pb.UploadChunk(tag=number + 1, write_offset=number + 1, data=b"abc"),
        pb.UploadChunk(tag=number + 1, write_offset=number + 1, data=bytes(300), finish=True),
    ]
    whole = pb.UploadInstancesRequest(store="trial", origin=origin, chunks=chunks)
    assert packer.flush() == whole.SerializeToString()


def test_shorthands_stand_for_items(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(10_000))
    assert as_item(b"data", 7) == UploadItem(7, b"data")
    assert as_item(str(path), 7) == UploadItem(str(path), path)
    assert as_item(path, 7).weight > 10_000
    assert as_item(path, 7).repeatable
    assert not UploadItem("once", ReadsOnce()).repeatable
    assert UploadItem("opened", ReadsOnce).repeatable
    assert as_item(tmp_path / "missing", 7).weight > 0
