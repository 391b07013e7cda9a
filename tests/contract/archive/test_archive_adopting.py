"""Files that a door on the same host hands over in its spool directory."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.type.v1.origin_pb2 import Origin
from diana_archive.adapters.spools import DirectorySpool, PlainFile
from diana_archive.core.adopting import SpoolFile
from diana_archive.core.model import Origin as ModelOrigin
from diana_archive.servicer import ArchiveServicer
from diana_common.errors import Reason
from tests.contract.archive.harness import GrpcDoor, Rig, entries, get, make, open_door, put, refused, uid
from tests.support.dicom_files import make_ct
from tests.support.upload import reason_of

STORED = pb.UploadResult.OUTCOME_STORED
ALREADY_STORED = pb.UploadResult.OUTCOME_ALREADY_STORED


@pytest.fixture(autouse=True)
def spool(rig: Rig) -> Path:
    rig.spool.mkdir()
    return rig.spool


def request(*names: str, first_tag: int = 0) -> pb.AdoptInstancesRequest:
    files = [pb.AdoptFile(tag=tag, name=name) for tag, name in enumerate(names, first_tag)]
    return pb.AdoptInstancesRequest(spool="door", origin=Origin(door="dimse"), files=files)


def adopt(door: Any, *names: str) -> list[pb.UploadResult]:
    """Hand files over; the answers in their order."""
    results = [one for answer in door.AdoptInstances(iter([request(*names)])) for one in answer.results]
    by_tag = {one.tag: one for one in results}
    assert len(by_tag) == len(results) == len(names)
    return [by_tag[tag] for tag in range(len(names))]


def test_files_are_stored_and_gone_from_the_spool(door: Any, spool: Path) -> None:
    for number in range(5):
        (spool / f"{number}.dcm").write_bytes(make(number))
    results = adopt(door, *(f"{number}.dcm" for number in range(5)))
    assert [one.outcome for one in results] == [STORED] * 5
    assert [one.instance.sop_instance_uid for one in results] == [uid(number) for number in range(5)]
    assert all(get(door, number) == make(number) for number in range(5))
    assert list(spool.iterdir()) == []
    assert {entry.origin.door for entry in entries(door)} == {"dimse"}
    assert max(entry.position for entry in entries(door)) == max(one.position for one in results)


def test_a_large_file_is_stored_as_it_is(door: Any, spool: Path) -> None:
    large = make_ct(rows=1500, cols=1500, sop_uid=uid(1))
    (spool / "large").write_bytes(large)
    assert adopt(door, "large")[0].instance.size_bytes == len(large) > 4 << 20
    assert get(door, 1) == large


def test_what_is_there_already_is_answered_so_and_removed(door: Any, spool: Path) -> None:
    put(door, make(1))
    (spool / "again").write_bytes(make(1))
    assert adopt(door, "again")[0].outcome == ALREADY_STORED
    assert list(spool.iterdir()) == []


def test_a_refused_instance_is_removed_and_the_others_are_stored(door: Any, spool: Path) -> None:
    put(door, make(3))
    files = {"junk": bytes(500), "empty": b"", "good": make(1), "other": make(3, StudyDate="20200101")}
    for name, data in files.items():
        (spool / name).write_bytes(data)
    reasons = [reason_of(one) for one in adopt(door, *files)]
    assert reasons == ["NOT_PART10", "NOT_PART10", "", "INSTANCE_CONFLICT"]
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "../secret", "/etc/passwd", "a/b", "a\\b", "a\0", "a b", "ä", "a\n", "x" * 256, "*"],
)
def test_a_name_that_is_no_plain_files_is_refused_and_touches_nothing(door: Any, spool: Path, name: str) -> None:
    secret = spool.parent / "secret"
    secret.write_bytes(make(1))
    (spool / ".hidden").write_bytes(make(1))
    assert reason_of(adopt(door, name)[0]) == "INVALID_FIELD"
    assert secret.exists()
    assert (spool / ".hidden").exists()


def _symlink(spool: Path, outside: Path) -> None:
    (spool / "x").symlink_to(outside)


def _hard_link(spool: Path, outside: Path) -> None:
    (spool / "x").hardlink_to(outside)


def _pipe(spool: Path, outside: Path) -> None:
    os.mkfifo(spool / "x")


def _directory(spool: Path, outside: Path) -> None:
    (spool / "x").mkdir()


def _dangling(spool: Path, outside: Path) -> None:
    (spool / "x").symlink_to(spool / "nowhere")


def _socket(spool: Path, outside: Path) -> None:
    # A path of its own would be too long for a socket.
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as bound:
        os.chdir(spool)
        try:
            bound.bind("x")
        finally:
            os.chdir(here)


@pytest.mark.parametrize("make_it", [_symlink, _hard_link, _pipe, _directory, _dangling, _socket])
def test_what_is_not_a_plain_file_of_the_spool_is_refused_and_left(
    door: Any, rig: Rig, spool: Path, make_it: Callable[[Path, Path], None]
) -> None:
    outside = spool.parent / "outside"
    outside.write_bytes(make(1))
    make_it(spool, outside)
    assert reason_of(adopt(door, "x")[0]) == "INVALID_FIELD"
    assert outside.read_bytes() == make(1)
    assert list(spool.iterdir()) == [spool / "x"]
    assert rig.archive.listing.statistics("").instance_count == 0


def test_a_file_that_is_not_there_is_said_to_be_missing(door: Any, spool: Path) -> None:
    assert reason_of(adopt(door, "missing")[0]) == "SOURCE_NOT_FOUND"
    spool.rmdir()
    assert reason_of(adopt(door, "missing")[0]) == "SOURCE_NOT_FOUND"


def test_a_spool_that_is_not_open_is_forbidden(door: Any, spool: Path) -> None:
    for name in ("", "other", "../spool"):
        with refused(Reason.PATH_FORBIDDEN):
            list(door.AdoptInstances(iter([pb.AdoptInstancesRequest(spool=name)])))


def test_a_caller_on_another_host_is_refused(rig: Rig, spool: Path) -> None:
    (spool / "x").write_bytes(make(1))

    class Far:
        def peer(self) -> str:
            return "ipv4:192.0.2.1:4711"

    servicer = ArchiveServicer(rig.archive, rig.queue, threading.Event())
    with refused(Reason.PATH_FORBIDDEN):
        list(servicer.AdoptInstances(iter([request("x")]), Far()))  # type: ignore[arg-type]
    assert (spool / "x").exists()


def test_a_full_disk_leaves_the_file_for_another_try(door: Any, rig: Rig, spool: Path) -> None:
    (spool / "x").write_bytes(make(1))
    rig.objects.full = True
    assert reason_of(adopt(door, "x")[0]) == "DISK_FULL"
    assert (spool / "x").read_bytes() == make(1)
    rig.objects.full, rig.objects.broken = False, True
    assert reason_of(adopt(door, "x")[0]) == "INTERNAL"
    assert (spool / "x").read_bytes() == make(1)
    rig.objects.broken = False
    assert adopt(door, "x")[0].outcome == STORED
    assert list(spool.iterdir()) == []


def test_a_file_that_cannot_be_read_is_left(door: Any, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (spool / "x").write_bytes(make_ct(rows=1500, cols=1500, sop_uid=uid(1)))
    whole, reads = PlainFile.read, 0

    def torn(file: PlainFile, size: int) -> bytes:
        nonlocal reads
        reads += 1
        if reads == 3:
            raise OSError(5, "torn")
        return whole(file, size)

    monkeypatch.setattr(PlainFile, "read", torn)
    (spool / "y").write_bytes(make(2))
    results = adopt(door, "x", "y")
    assert [reason_of(one) for one in results] == ["INTERNAL", ""]
    assert list(spool.iterdir()) == [spool / "x"]
    assert adopt(door, "x")[0].outcome == STORED


def test_of_two_requests_for_one_file_one_has_it(door: Any, spool: Path) -> None:
    (spool / "x").write_bytes(make(1))
    results = adopt(door, "x", "x")
    assert sorted(reason_of(one) for one in results) in (["", "SOURCE_NOT_FOUND"], ["", ""])
    assert get(door, 1) == make(1)
    assert list(spool.iterdir()) == []


def test_a_file_that_another_takes_the_place_of_meanwhile_is_not_removed_with_it(
    door: Any, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spool / "x").write_bytes(make(1))
    remove = DirectorySpool.remove

    def swapped(self: DirectorySpool, name: str, identity: tuple[int, ...]) -> None:
        (spool / "new").write_bytes(make(2))
        (spool / "new").replace(spool / name)
        remove(self, name, identity)

    monkeypatch.setattr(DirectorySpool, "remove", swapped)
    assert adopt(door, "x")[0].instance.sop_instance_uid == uid(1)
    assert (spool / "x").read_bytes() == make(2)


def test_a_name_that_is_swapped_again_and_again_lets_nothing_in_from_outside(grpc_door: GrpcDoor, spool: Path) -> None:
    outside = spool.parent / "outside"
    outside.write_bytes(make(99))
    over = threading.Event()

    def swap() -> None:
        number = 0
        while not over.is_set():
            number += 1
            if number % 2:
                (spool / ".next").symlink_to(outside)
            else:
                (spool / ".next").write_bytes(make(1))
            (spool / ".next").replace(spool / "x")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        reasons = {reason_of(one) for _ in range(100) for one in adopt(grpc_door, "x")}
    finally:
        over.set()
        thread.join()
    assert reasons <= {"", "INVALID_FIELD", "SOURCE_NOT_FOUND"}
    with refused(Reason.INSTANCE_NOT_FOUND):
        get(grpc_door, 99)
    assert outside.read_bytes() == make(99)


def test_a_file_that_its_writer_still_has_open_is_stored_as_it_was_read(door: Any, spool: Path) -> None:
    with (spool / "x").open("wb") as writer:
        writer.write(make(1))
        writer.flush()
        assert adopt(door, "x")[0].outcome == STORED
        writer.seek(0)
        writer.write(bytes(1000))
    assert get(door, 1) == make(1)


def test_files_are_answered_while_the_stream_is_open(grpc_door: GrpcDoor, spool: Path) -> None:
    answered = threading.Semaphore(0)

    def requests() -> Iterator[pb.AdoptInstancesRequest]:
        for number in range(5):
            (spool / f"{number}").write_bytes(make(number))
            yield request(f"{number}", first_tag=number)
            assert answered.acquire(timeout=30)

    tags = []
    for answer in grpc_door.AdoptInstances(requests()):
        tags += [one.tag for one in answer.results]
        answered.release()
    assert tags == list(range(5))


def test_hundreds_of_files_in_one_message_are_all_answered(grpc_door: GrpcDoor, spool: Path) -> None:
    for number in range(300):
        (spool / f"{number}").write_bytes(make(number))
    assert {one.outcome for one in adopt(grpc_door, *(str(number) for number in range(300)))} == {STORED}
    assert list(spool.iterdir()) == []


def test_a_tag_that_is_in_use_ends_the_stream(door: Any, rig: Rig, spool: Path) -> None:
    (spool / "x").write_bytes(make(1))
    (spool / "y").write_bytes(make(2))
    files = [pb.AdoptFile(tag=1, name="x")] + [pb.AdoptFile(tag=1, name="y")] * 50
    with refused(Reason.INVALID_FIELD):
        list(door.AdoptInstances(iter([pb.AdoptInstancesRequest(spool="door", files=files)])))


def test_a_stream_that_is_cut_leaves_its_files_free_for_another(grpc_door: GrpcDoor, rig: Rig, spool: Path) -> None:
    names = [str(number) for number in range(100)]
    for number, name in enumerate(names):
        (spool / name).write_bytes(make(number))
    call = grpc_door.stub.AdoptInstances(iter([request(*names)]), timeout=60)
    next(call)
    call.cancel()
    left = names
    for _ in range(600):
        results = dict(zip(left, adopt(grpc_door, *left)))
        left = [name for name, one in results.items() if (spool / name).exists()]
        if not left:
            break
        threading.Event().wait(0.05)
    assert left == []
    assert rig.archive.listing.statistics("").instance_count == 100


def test_a_stream_that_ends_while_a_file_is_opened_leaves_it_to_the_next(
    door: Any, rig: Rig, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spool / "x").write_bytes(make(1))
    adoption = rig.archive.adoption(rig.archive.upload("", ModelOrigin()), "door", True)
    with monkeypatch.context() as patch:
        whole = DirectorySpool.open

        def slow(self: DirectorySpool, name: str) -> PlainFile:
            adoption.close()
            return whole(self, name)

        patch.setattr(DirectorySpool, "open", slow)
        assert list(adoption.chunks([SpoolFile(1, "x")])) == []
    assert adopt(door, "x")[0].outcome == STORED


@pytest.fixture
def grpc_door(rig: Rig) -> Iterable[GrpcDoor]:
    with open_door("grpc", rig) as door:
        yield door
