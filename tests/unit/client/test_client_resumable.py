"""What large items are sent as, and when they are sent again, without any connection."""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from diana.archive.v1 import archive_service_pb2 as pb
from diana_client.errors import ResourceExhausted, Unavailable
from diana_client.items import CHUNK_BYTES, UploadItem
from diana_client.ledger import Entry, Lane, Ledger
from diana_client.packing import Packer, resumable_fields
from diana_client.resumable import packed_from
from diana_client.upload_names import RESUMABLE_BYTES, name_of

LARGE = bytes(index % 251 for index in range(1 << 16)) * 1025  # 64 MiB and a little


def chunks_of(item: UploadItem, start: int = 0) -> list[pb.UploadChunk]:
    packer = Packer("trial", None)
    entry = Entry(item, 0, tag=5, upload_id="name")
    messages = [*packed_from(entry, start, packer), packer.flush()]
    return [chunk for message in messages for chunk in pb.UploadInstancesRequest.FromString(message).chunks]


def refusal(tag: int, code: grpc.StatusCode, reason: str, **metadata: str) -> pb.UploadInstancesResponse:
    status = status_pb2.Status(code=code.value[0], message="Refused.")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="diana", metadata=metadata))
    return pb.UploadInstancesResponse(results=[pb.UploadResult(tag=tag, status=status)])


@pytest.mark.parametrize("name", ["", "name", "ü" * 128])
@pytest.mark.parametrize("digest", [b"", bytes(range(32))])
def test_messages_are_byte_for_byte_what_protobuf_makes_of_them(name: str, digest: bytes) -> None:
    packer = Packer("", None)
    fields = resumable_fields(name, 0xFEDCBA98, digest)
    assert not list(packer.add(7, 300, b"abc", bool(digest), fields))
    chunk = pb.UploadChunk(
        tag=7, write_offset=300, data=b"abc", finish=bool(digest), upload_id=name, crc32=0xFEDCBA98, sha256=digest
    )
    assert packer.flush() == pb.UploadInstancesRequest(chunks=[chunk]).SerializeToString()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 17])
@pytest.mark.parametrize("start", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 5, 3 * CHUNK_BYTES + 17])
def test_what_the_archive_has_is_digested_and_not_sent(size: int, start: int) -> None:
    data = LARGE[:size]
    start = min(start, size)
    chunks = chunks_of(UploadItem("a", data), start)
    assert b"".join(chunk.data for chunk in chunks) == data[start:]
    assert [chunk.write_offset for chunk in chunks] == [
        start + sum(len(one.data) for one in chunks[:number]) for number in range(len(chunks))
    ]
    assert [chunk.upload_id for chunk in chunks] == ["name"] + [""] * (len(chunks) - 1)
    assert all(chunk.crc32 == zlib.crc32(chunk.data) for chunk in chunks)
    assert (chunks[-1].finish, chunks[-1].sha256) == (True, hashlib.sha256(data).digest())


def test_only_what_is_large_and_can_be_read_again_has_a_name(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    assert name_of(UploadItem(1, path), "") == name_of(UploadItem(2, path), "default") != ""
    assert name_of(UploadItem(1, path), "other") != name_of(UploadItem(1, path), "")
    assert name_of(UploadItem(1, LARGE), "") != name_of(UploadItem(1, LARGE), "")
    assert name_of(UploadItem(1, lambda: io.BytesIO(LARGE), size=len(LARGE)), "")
    assert name_of(UploadItem(1, LARGE[: RESUMABLE_BYTES // 2]), "") == ""
    assert name_of(UploadItem(1, io.BytesIO(LARGE), size=len(LARGE)), "") == ""
    assert name_of(UploadItem(1, b"small", upload_id="mine"), "") == "mine"
    before = name_of(UploadItem(1, path), "")
    os.utime(path, ns=(1, 1))
    assert name_of(UploadItem(1, path), "") != before


def test_of_two_items_of_one_name_only_the_first_is_sent_under_it() -> None:
    ledger = Ledger(window=1 << 30)
    for _ in range(2):
        ledger.admit(UploadItem(1, LARGE, upload_id="mine"))
    assert [entry.upload_id for entry in ledger.waiting] == ["mine", ""]


@pytest.mark.parametrize(
    ("code", "reason", "metadata", "expected"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "UPLOAD_ORDER", {"expected_offset": "77"}, ("mine", 77)),
        (grpc.StatusCode.INVALID_ARGUMENT, "UPLOAD_ORDER", {}, ("", None)),
        (grpc.StatusCode.INVALID_ARGUMENT, "CHECKSUM_MISMATCH", {}, ("mine", None)),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", {}, ("", None)),
        (grpc.StatusCode.INVALID_ARGUMENT, "NOT_PART10", {}, None),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL", {}, None),
    ],
)
def test_a_refusal_that_another_try_may_mend_is_no_result(
    code: grpc.StatusCode, reason: str, metadata: dict[str, str], expected: tuple[str, int | None] | None
) -> None:
    ledger = Ledger(window=1 << 30)
    ledger.admit(UploadItem("key", LARGE, upload_id="mine"))
    lane = Lane(ledger, attempts=3)
    entry = lane.begin()
    lane.answer(refusal(entry.tag, code, reason, **metadata))
    assert entry.answered
    assert [(one.upload_id, one.start) for one in ledger.waiting] == ([expected] if expected else [])
    assert bool(ledger.results) == (expected is None)


@pytest.mark.parametrize(
    ("code", "reason", "kept"),
    [
        (grpc.StatusCode.UNAVAILABLE, "PEER_UNAVAILABLE", ""),
        (grpc.StatusCode.UNAVAILABLE, "STOPPING", "77"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", "77"),
    ],
)
def test_an_archive_that_cannot_take_an_item_now_is_asked_again_on_another_stream_and_not_for_ever(
    code: grpc.StatusCode, reason: str, kept: str
) -> None:
    ledger = Ledger(window=1 << 30)
    ledger.admit(UploadItem("key", LARGE, upload_id="mine"))
    lane = Lane(ledger, attempts=3)
    metadata = {"expected_offset": kept} if kept else {}
    for attempt in range(3):
        with pytest.raises((Unavailable, ResourceExhausted)) as caught:
            lane.answer(refusal(lane.begin().tag, code, reason, **metadata))
        assert [(one.upload_id, one.start) for one in ledger.waiting] == [("mine", int(kept) if kept else None)]
        if attempt < 2:
            assert lane.cut(caught.value) > 0
    with pytest.raises((Unavailable, ResourceExhausted)):
        lane.cut(caught.value)


def test_a_refusal_that_no_try_mends_ends_after_a_few() -> None:
    ledger = Ledger(window=1 << 30)
    ledger.admit(UploadItem("key", LARGE, upload_id="mine"))
    lane = Lane(ledger, attempts=3)
    tries = 0
    while ledger.waiting:
        tries += 1
        lane.answer(refusal(lane.begin().tag, grpc.StatusCode.INVALID_ARGUMENT, "CHECKSUM_MISMATCH"))
    error = ledger.take().error
    assert error is not None
    assert (error.reason, tries) == ("CHECKSUM_MISMATCH", 5)


def test_an_item_that_gets_on_is_worth_more_attempts() -> None:
    ledger = Ledger(window=1 << 30)
    ledger.admit(UploadItem("key", LARGE, upload_id="mine"))
    lane = Lane(ledger, attempts=2)
    cut = [lane.begin()]
    broken = Unavailable(grpc.StatusCode.UNAVAILABLE, "Gone.")
    for start in (100, 200, 300):
        lane.reach(cut[-1], start)
        lane.cut(broken)
        cut.append(lane.begin())
    lane.reach(cut[-1], 300)
    with pytest.raises(Unavailable):
        lane.cut(broken)
