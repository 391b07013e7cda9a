"""Uploads that are cut and gone on with, and the checksums that say whether all arrived as it was."""

from __future__ import annotations

import errno
import hashlib
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2

from diana.archive.v1 import archive_service_pb2 as pb
from diana_archive.core.parts import Hold, Resuming
from diana_archive.stores.parts import FilePart, FileParts
from diana_common.errors import DianaError, Reason
from tests.contract.archive.harness import (
    LIFETIME,
    SECOND,
    Clock,
    GrpcDoor,
    Rig,
    chunk,
    get,
    make,
    open_door,
    put,
    refused,
    send,
)
from tests.contract.archive.test_archive_streams import Stream, eventually
from tests.support.upload import reason_of

DATA = make(1)
STORED = pb.UploadResult.OUTCOME_STORED
ALREADY_STORED = pb.UploadResult.OUTCOME_ALREADY_STORED


def piece(
    start: int, end: int | None = None, upload_id: str = "u1", data: bytes = DATA, tag: int = 1
) -> pb.UploadChunk:
    """Bytes of a resumable upload, with their CRC; to the end, with the digest, unless told."""
    part = data[start:end]
    one = pb.UploadChunk(tag=tag, write_offset=start, data=part, upload_id=upload_id, crc32=zlib.crc32(part))
    if end is None:
        one.finish = True
        one.sha256 = hashlib.sha256(data).digest()
    return one


def cut(door: Any, *chunks: pb.UploadChunk, store: str = "") -> None:
    """Send chunks, and end the stream without the rest."""
    assert [reason_of(one) for one in send(door, chunks, store).values()] == ["UPLOAD_INCOMPLETE"]


def arrived(door: Any, upload_id: str = "u1", store: str = "") -> int:
    return int(door.GetUpload(pb.GetUploadRequest(store=store, upload_id=upload_id)).write_offset)


def parts(rig: Rig) -> list[Path]:
    return sorted(rig.parts.iterdir())


def metadata_of(result: pb.UploadResult) -> dict[str, str]:
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in result.status.details)
    return dict(info.metadata)


def test_an_upload_that_was_cut_goes_on_where_it_was(door: Any, rig: Rig) -> None:
    cut(door, piece(0, 3000), piece(3000, 5000))
    assert arrived(door) == 5000
    cut(door, piece(5000, 7000))
    assert arrived(door) == 7000
    answer = send(door, [piece(7000)])[1]
    assert answer.outcome == STORED
    assert get(door, 1) == DATA
    assert parts(rig) == []
    with refused(Reason.UPLOAD_NOT_FOUND):
        arrived(door)


@pytest.mark.parametrize("bounds", [(), (4000,), (len(DATA),)], ids=["at once", "in two", "and an empty end"])
def test_a_resumable_upload_is_answered_as_any_other(door: Any, rig: Rig, bounds: tuple[int, ...]) -> None:
    plain = put(door, make(1), store="both")[0].instance
    starts = (0, *bounds)
    chunks = [piece(start, end) for start, end in zip(starts, bounds)]
    answer = send(door, [*chunks, piece(starts[-1])])[1]
    assert answer.outcome == STORED
    assert answer.instance.data_set_sha256 == plain.data_set_sha256
    assert answer.instance.size_bytes == len(DATA)
    again = send(door, [piece(0)])[1]
    assert again.outcome == ALREADY_STORED
    assert again.instance == answer.instance
    assert parts(rig) == []


def test_what_arrived_survives_the_archive(store_kind: str, tmp_path: Path, clock: Clock) -> None:
    for offset in (0, 4000):
        rig = Rig(store_kind, tmp_path / "state", clock)
        with open_door("direct", rig) as door:
            cut(door, piece(offset, offset + 4000))
        rig.close()
    rig = Rig(store_kind, tmp_path / "state", clock)
    with open_door("direct", rig) as door:
        assert arrived(door) == 8000
        assert send(door, [piece(8000)])[1].outcome == STORED
        assert get(door, 1) == DATA
    rig.close()


def test_a_chunk_out_of_place_keeps_what_arrived_and_says_where_to_go_on(door: Any) -> None:
    cut(door, piece(0, 3000))
    for wrong in (piece(0, 3000), piece(2999, 4000), piece(4000, 5000), piece(0), piece(len(DATA))):
        answer = send(door, [wrong])[1]
        assert reason_of(answer) == "UPLOAD_ORDER"
        assert metadata_of(answer)["expected_offset"] == "3000"
        assert arrived(door) == 3000
    answer = send(door, [piece(3000, 4000), piece(5000, 6000), piece(4000, 5000)])[1]
    assert metadata_of(answer)["expected_offset"] == "4000"
    assert arrived(door) == 4000
    assert send(door, [piece(4000)])[1].outcome == STORED


def test_an_upload_that_begins_elsewhere_than_at_its_first_byte_leaves_nothing(door: Any, rig: Rig) -> None:
    assert metadata_of(send(door, [piece(1000)])[1])["expected_offset"] == "0"
    assert parts(rig) == []
    with refused(Reason.UPLOAD_NOT_FOUND):
        arrived(door)


def test_a_chunk_changed_on_the_way_is_refused_and_what_came_before_is_kept(door: Any, rig: Rig) -> None:
    bad = piece(3000, 5000)
    bad.crc32 ^= 1
    answers = send(door, [piece(0, 3000), bad, piece(5000)])
    assert reason_of(answers[1]) == "CHECKSUM_MISMATCH"
    assert arrived(door) == 3000
    assert send(door, [piece(3000)])[1].outcome == STORED


def test_a_whole_that_does_not_fit_its_digest_is_dropped(door: Any, rig: Rig) -> None:
    cut(door, piece(0, 3000, data=bytes(3000)))
    assert reason_of(send(door, [piece(3000)])[1]) == "CHECKSUM_MISMATCH"
    assert parts(rig) == []
    assert send(door, [piece(0)])[1].outcome == STORED


def test_the_end_of_a_resumable_upload_needs_a_digest(door: Any) -> None:
    cut(door, piece(0, 3000))
    end = piece(3000)
    end.sha256 = b""
    assert reason_of(send(door, [end])[1]) == "INVALID_FIELD"
    assert arrived(door) == 3000
    end.sha256 = b"short"
    assert reason_of(send(door, [end])[1]) == "INVALID_FIELD"


def test_checksums_are_checked_of_uploads_that_cannot_be_resumed_too(door: Any, rig: Rig) -> None:
    whole, wrong = hashlib.sha256(DATA).digest(), bytes(32)
    cases = ((wrong, 0, "CHECKSUM_MISMATCH"), (whole, 1, "CHECKSUM_MISMATCH"), (whole, 0, ""))
    for bounds in ((0, len(DATA)), (0, 4000, len(DATA))):
        for digest, crc_off, refused_for in cases:
            chunks = []
            for start, end in pairwise(bounds):
                one = chunk(1, DATA[start:end], start, end == len(DATA))
                one.crc32 = zlib.crc32(one.data) ^ crc_off
                chunks.append(one)
            chunks[-1].sha256 = digest
            assert reason_of(send(door, chunks)[1]) == refused_for
    assert parts(rig) == []


def test_what_is_not_dicom_is_refused_and_dropped(door: Any, rig: Rig) -> None:
    junk = bytes(5000)
    cut(door, piece(0, 3000, data=junk))
    assert reason_of(send(door, [piece(3000, data=junk)])[1]) == "NOT_PART10"
    assert parts(rig) == []


def test_uploads_of_one_name_in_two_stores_are_two(door: Any) -> None:
    cut(door, piece(0, 3000))
    cut(door, piece(0, 4000), store="both")
    assert (arrived(door), arrived(door, store="both")) == (3000, 4000)
    with refused(Reason.STORE_UNKNOWN):
        arrived(door, store="nowhere")


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a\0b", "ü" * 128, ".", "x" * 128])
def test_a_name_of_any_kind_is_only_a_name(door: Any, rig: Rig, name: str) -> None:
    cut(door, piece(0, 3000, name))
    (part,) = parts(rig)
    assert part.stem.isalnum()
    assert part.stat().st_mode & 0o777 == 0o600
    assert arrived(door, name) == 3000


def test_too_long_a_name_is_refused(door: Any, rig: Rig) -> None:
    assert reason_of(send(door, [piece(0, 3000, "x" * 129), piece(3000, None, "x" * 129)])[1]) == "INVALID_FIELD"
    assert parts(rig) == []


def test_a_stream_takes_an_upload_over_from_one_that_hangs(grpc_door: GrpcDoor, rig: Rig) -> None:
    hanging = Stream(grpc_door.stub)
    hanging.send(piece(0, 3000))
    eventually(lambda: bool(parts(rig)) and arrived(grpc_door) == 3000)
    going_on = Stream(grpc_door.stub)
    going_on.send(piece(3000, 5000))
    eventually(lambda: arrived(grpc_door) == 5000)
    hanging.send(piece(3000, 6000))
    (late,) = next(hanging.call).results
    assert reason_of(late) == "UPLOAD_ORDER"
    assert "expected_offset" not in metadata_of(late)
    going_on.send(piece(5000))
    (answer,) = next(going_on.call).results
    assert answer.outcome == STORED
    assert get(grpc_door, 1) == DATA
    for stream in (hanging, going_on):
        stream.close()
        assert list(stream.call) == []


def test_one_stream_that_names_an_upload_twice_goes_on_with_the_later(door: Any) -> None:
    answers = send(door, [piece(0, 3000), piece(3000, 5000, tag=2), piece(3000), piece(5000, tag=2)])
    assert reason_of(answers[1]) == "UPLOAD_ORDER"
    assert answers[2].outcome == STORED


def test_an_upload_that_is_open_when_the_archive_stops_is_kept(rig: Rig) -> None:
    with open_door("grpc", rig) as door:
        stream = Stream(door.stub)
        stream.send(piece(0, 3000))
        eventually(lambda: bool(parts(rig)))
        eventually(lambda: arrived(door) == 3000)
        door.server.stop(0)
    with open_door("direct", rig) as door:
        eventually(lambda: not rig.archive._resuming._held)
        assert arrived(door) == 3000


def test_an_abandoned_upload_expires_and_one_that_is_held_does_not(grpc_door: GrpcDoor, rig: Rig) -> None:
    rig.clock.now = time.time_ns() // 1000
    cut(grpc_door, piece(0, 3000))
    held = Stream(grpc_door.stub)
    held.send(piece(0, 3000, "u2", tag=2))
    eventually(lambda: len(parts(rig)) == 2)
    expiry = grpc_door.GetUpload(pb.GetUploadRequest(upload_id="u1")).expire_time.ToMicroseconds()
    assert abs(expiry - rig.clock.now - LIFETIME) < 60 * SECOND
    rig.clock.advance(LIFETIME - 60 * SECOND)
    rig.archive.upkeep.look()
    assert arrived(grpc_door) == 3000
    rig.clock.advance(120 * SECOND)
    rig.archive.upkeep.look()
    with refused(Reason.UPLOAD_NOT_FOUND):
        arrived(grpc_door)
    held.send(piece(3000, upload_id="u2", tag=2))
    held.close()
    assert [one.outcome for answer in held.call for one in answer.results] == [STORED]


def test_a_full_disk_keeps_what_arrived(door: Any, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(door, piece(0, 3000))
    with monkeypatch.context() as patched:

        def full(part: FilePart, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "full")

        patched.setattr(FilePart, "write", full)
        answers = send(door, [piece(3000, 5000), piece(5000)])
        assert reason_of(answers[1]) == "DISK_FULL"
    assert arrived(door) == 3000
    assert send(door, [piece(3000)])[1].outcome == STORED


def test_too_large_an_instance_is_dropped(store_kind: str, tmp_path: Path, clock: Clock) -> None:
    rig = Rig(store_kind, tmp_path / "small", clock, max_instance_bytes=4000)
    with open_door("direct", rig) as door:
        cut(door, piece(0, 3000))
        assert reason_of(send(door, [piece(3000, 5000), piece(5000)])[1]) == "INSTANCE_TOO_LARGE"
        assert parts(rig) == []
    rig.close()


def test_many_threads_that_take_one_part_over_never_write_it_together(tmp_path: Path) -> None:
    resuming = Resuming(FileParts(tmp_path), lambda: 0, LIFETIME)
    writing = threading.Lock()
    together = 0

    def write(hold: Hold) -> None:
        nonlocal together
        with hold.turn() as part:
            together += not writing.acquire(blocking=False)
            part.write(b"x" * 10)
            writing.release()

    def run() -> None:
        for _ in range(100):
            hold = resuming.take_over("default", "one")
            # One that another took over meanwhile is refused, and that is well.
            with suppress(DianaError):
                write(hold)
                write(hold)
            hold.leave()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == 0
    assert not resuming._held
    size_bytes, _ = resuming.progress("default", "one")
    assert size_bytes % 10 == 0


@pytest.fixture
def grpc_door(rig: Rig) -> Iterator[GrpcDoor]:
    with open_door("grpc", rig) as door:
        yield door
