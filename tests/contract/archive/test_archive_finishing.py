"""The end of a resumable upload: all its bytes are there, and they need not come again until they are stored."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Selector
from diana_archive.core.parts import Hold
from diana_archive.core.ports import Draft
from diana_archive.core.storing import Storing
from diana_archive.stores.parts import FilePart
from diana_common.errors import Reason
from tests.contract.archive.harness import (
    GRACE,
    SECOND,
    Clock,
    GrpcDoor,
    Rig,
    get,
    make,
    open_door,
    put,
    refused,
    send,
    uid,
)
from tests.contract.archive.test_archive_resuming import (
    ALREADY_STORED,
    DATA,
    STORED,
    arrived,
    cut,
    metadata_of,
    parts,
    piece,
)
from tests.contract.archive.test_archive_streams import Stream, eventually
from tests.support.upload import reason_of

WHOLE = len(DATA)
BEYOND = {"CHECKSUM_MISMATCH", "DATA_SET_TRUNCATED"}
"""Where object and part are one file, none of the bytes beyond are taken; elsewhere they are, and looked at."""
Faults = Callable[[Rig, pytest.MonkeyPatch], None]


def fill_disk(rig: Rig, patched: pytest.MonkeyPatch) -> None:
    patched.setattr(rig.objects, "full", True)


def fill_disk_while_it_is_made(rig: Rig, patched: pytest.MonkeyPatch) -> None:
    adopt = rig.objects.adopt

    def adopt_and_fill(store: str, path: Path) -> Draft:
        draft = adopt(store, path)
        patched.setattr(draft, "finish", lambda: fail(errno.ENOSPC))
        return draft

    patched.setattr(rig.objects, "adopt", adopt_and_fill)


def fill_disk_at_the_commit(rig: Rig, patched: pytest.MonkeyPatch) -> None:
    patched.setattr(rig.objects, "make_durable", lambda drafts: [OSError(errno.ENOSPC, "full")] * len(drafts))


def break_disk_at_the_commit(rig: Rig, patched: pytest.MonkeyPatch) -> None:
    patched.setattr(rig.objects, "broken", True)


def take_all_places(rig: Rig, patched: pytest.MonkeyPatch) -> None:
    patched.setattr(rig.archive._desk.places, "_value", 0)


FAULTS = {
    fill_disk: "DISK_FULL",
    fill_disk_while_it_is_made: "DISK_FULL",
    fill_disk_at_the_commit: "DISK_FULL",
    break_disk_at_the_commit: "INTERNAL",
    take_all_places: "OVERLOADED",
}


def fail(number: int) -> None:
    raise OSError(number, "failed")


@pytest.mark.parametrize(("fault", "reason"), FAULTS.items(), ids=lambda one: getattr(one, "__name__", None))
def test_an_upload_refused_at_its_end_for_a_time_is_finished_without_its_bytes(
    door: Any, rig: Rig, monkeypatch: pytest.MonkeyPatch, fault: Faults, reason: str
) -> None:
    cut(door, piece(0, 3000))
    for chunk in (piece(3000), piece(WHOLE)):
        with monkeypatch.context() as patched:
            fault(rig, patched)
            answer = send(door, [chunk])[1]
        assert (reason_of(answer), metadata_of(answer)["expected_offset"]) == (reason, str(WHOLE))
        assert arrived(door) == WHOLE
    assert send(door, [piece(WHOLE)])[1].outcome == STORED
    assert get(door, 1) == DATA
    assert parts(rig) == []


def test_an_upload_that_passed_the_quota_is_finished_once_there_is_room(
    door: Any, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.clock.now = time.time_ns() // 1000
    put(door, *(make(number) for number in range(2, 6)), store="small")
    with monkeypatch.context() as patched:
        # What comes at the same time on other streams takes the room after it was asked for.
        patched.setattr(rig.archive._desk.quotas, "check", lambda *given: None)
        assert reason_of(send(door, [piece(0)], "small")[1]) == "QUOTA_EXCEEDED"
    assert arrived(door, store="small") == WHOLE
    assert reason_of(send(door, [piece(WHOLE)], "small")[1]) == "QUOTA_EXCEEDED"
    selector = Selector(sop_instance_uids=[uid(2)])
    door.DeleteInstances(pb.DeleteInstancesRequest(store="small", selector=selector))
    rig.clock.advance(GRACE + SECOND)
    rig.archive.upkeep.look()
    assert send(door, [piece(WHOLE)], "small")[1].outcome == STORED
    assert get(door, 1, store="small") == DATA


def test_another_data_set_is_refused_at_the_end_and_dropped(door: Any, rig: Rig) -> None:
    put(door, make(1, patient_id="ANOTHER"))
    assert reason_of(send(door, [piece(0)])[1]) == "INSTANCE_CONFLICT"
    assert parts(rig) == []


def test_an_upload_that_ends_while_the_archive_stops_is_finished_after_the_start(
    store_kind: str, tmp_path: Path, clock: Clock
) -> None:
    with stopped(store_kind, tmp_path, clock) as rig, open_door("direct", rig) as door:
        rig.archive._committer.close()
        answer = send(door, [piece(0)])[1]
        assert (reason_of(answer), metadata_of(answer)["expected_offset"]) == ("STOPPING", str(WHOLE))
    with stopped(store_kind, tmp_path, clock) as rig, open_door("direct", rig) as door:
        assert send(door, [piece(WHOLE)])[1].outcome == STORED
        assert get(door, 1) == DATA
        assert parts(rig) == []


def test_an_archive_killed_before_the_commit_finishes_the_upload_after_the_start(
    store_kind: str, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stopped(store_kind, tmp_path, clock) as rig, open_door("direct", rig) as door:
        with monkeypatch.context() as patched:
            # As a kill leaves it: the object is there, and neither removed nor known.
            patched.setattr(Storing, "done", lambda storing, error: storing._answer(error))
            patched.setattr(Storing, "apply", lambda storing, changes: fail(errno.EIO))
            assert reason_of(send(door, [piece(0)])[1]) == "INTERNAL"
    with stopped(store_kind, tmp_path, clock) as rig, open_door("direct", rig) as door:
        assert arrived(door) == WHOLE
        assert send(door, [piece(WHOLE)])[1].outcome == STORED
        assert get(door, 1) == DATA
        assert parts(rig) == []


def test_an_archive_killed_after_the_commit_answers_that_it_is_stored(
    store_kind: str, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store_kind == "memory":
        pytest.skip("its catalogue ends with it")
    for beyond in (b"", b"more"):
        directory = tmp_path / f"with{beyond.decode()}"
        with stopped(store_kind, directory, clock) as rig, open_door("direct", rig) as door:
            with monkeypatch.context() as patched:
                patched.setattr(Hold, "drop", Hold.leave)
                assert send(door, [piece(0)])[1].outcome in (STORED, ALREADY_STORED)
        with stopped(store_kind, directory, clock) as rig, open_door("direct", rig) as door:
            answer = send(door, [piece(WHOLE, data=DATA + beyond)])[1]
            assert reason_of(answer) in (BEYOND if beyond else {""})
            assert answer.outcome == (pb.UploadResult.OUTCOME_UNSPECIFIED if beyond else ALREADY_STORED)
            assert get(door, 1) == DATA
            assert parts(rig) == []


def test_bytes_that_another_stream_appends_while_it_is_committed_are_no_part_of_it(
    grpc_door: GrpcDoor, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    make_durable = rig.objects.make_durable

    def wait(drafts: Sequence[Draft]) -> list[OSError | None]:
        reached.set()
        go_on.wait(60)
        return make_durable(drafts)

    monkeypatch.setattr(rig.objects, "make_durable", wait)
    finishing = Stream(grpc_door.stub)
    finishing.send(piece(0))
    assert reached.wait(60)
    assert arrived(grpc_door) == WHOLE
    answer = send(grpc_door, [piece(WHOLE, data=DATA + b"more")])[1]
    go_on.set()
    assert reason_of(answer) in BEYOND
    (result,) = next(finishing.call).results
    finishing.close()
    assert result.outcome == STORED
    assert get(grpc_door, 1) == DATA
    assert parts(rig) == []


def test_where_a_file_can_have_no_second_name_it_is_copied(
    door: Any, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "hardlink_to", lambda path, target: fail(errno.EXDEV))
    cut(door, piece(0, 3000))
    assert send(door, [piece(3000)])[1].outcome == STORED
    assert get(door, 1) == DATA
    assert parts(rig) == []


def test_bytes_that_could_not_be_synced_must_come_again(door: Any, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(FilePart, "sync", lambda part: fail(errno.EIO))
        assert reason_of(send(door, [piece(0)])[1]) == "INTERNAL"
    with refused(Reason.UPLOAD_NOT_FOUND):
        arrived(door)
    assert send(door, [piece(0)])[1].outcome == STORED


def test_of_too_many_unfinished_uploads_the_one_untouched_for_longest_makes_room(grpc_door: GrpcDoor, rig: Rig) -> None:
    rig.clock.now = time.time_ns() // 1000
    rig.archive._resuming._most = 3
    held = Stream(grpc_door.stub)
    held.send(piece(0, 3000, "held"))
    eventually(lambda: len(parts(rig)) == 1 and arrived(grpc_door, "held") == 3000)
    for name in ("older", "newer"):
        cut(grpc_door, piece(0, 3000, name))
    assert reason_of(send(grpc_door, [piece(0, 3000, "more"), piece(3000, None, "more")])[1]) == "OVERLOADED"
    rig.clock.advance(301 * SECOND)
    cut(grpc_door, piece(0, 3000, "more"))
    with refused(Reason.UPLOAD_NOT_FOUND):
        arrived(grpc_door, "older")
    assert [arrived(grpc_door, name) for name in ("held", "newer", "more")] == [3000] * 3
    held.send(piece(3000, upload_id="held"))
    held.close()
    assert [one.outcome for answer in held.call for one in answer.results] == [STORED]


def test_no_upload_makes_room_while_all_are_held_or_fresh(door: Any, rig: Rig) -> None:
    rig.clock.now = time.time_ns() // 1000
    rig.archive._resuming._most = 3
    for number in range(3):
        cut(door, piece(0, 3000, f"u{number}"))
    assert reason_of(send(door, [piece(0, 3000, "more"), piece(3000, None, "more")])[1]) == "OVERLOADED"
    assert send(door, [piece(3000, None, "u0")])[1].outcome == STORED
    assert send(door, [piece(0, None, "more")])[1].outcome == ALREADY_STORED


@contextmanager
def stopped(store_kind: str, tmp_path: Path, clock: Clock) -> Iterator[Rig]:
    """An archive that is stopped at the end."""
    rig = Rig(store_kind, tmp_path / "state", clock)
    try:
        yield rig
    finally:
        rig.close()


@pytest.fixture
def grpc_door(rig: Rig) -> Iterator[GrpcDoor]:
    with open_door("grpc", rig) as door:
        yield door
