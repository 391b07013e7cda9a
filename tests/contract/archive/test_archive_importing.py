"""Folders, zip files and DICOMDIRs are imported as operations, file by file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from pydicom.data import get_testdata_file

from diana.archive.v1 import archive_service_pb2 as pb
from diana.operation.v1.operation_service_pb2 import Operation as OperationMessage
from diana.type.v1.origin_pb2 import Origin
from diana_archive.adapters.sources import FolderSource
from diana_archive.core import importing
from diana_archive.servicer import operations
from diana_common.errors import Reason
from diana_server.operations import Operation, OperationQueue
from diana_server.operations.model import State
from tests.contract.archive.harness import DirectDoor, Rig, ended, entries, get, make, put, refused, uid
from tests.support.hostile_zips import bomb, zipped


@pytest.fixture
def room(rig: Rig) -> Path:
    """The directory that is open for imports."""
    rig.imports.mkdir()
    return rig.imports


def start(door: Any, path: Path, **fields: Any) -> OperationMessage:
    request = pb.ImportInstancesRequest(path=str(path), **fields)
    operation: OperationMessage = door.ImportInstances(request).operation
    return operation


def bring_in(rig: Rig, door: Any, path: Path, **fields: Any) -> tuple[pb.ImportInstancesResult, dict[str, str]]:
    """Its result, and why which files were refused."""
    done = ended(rig, start(door, path, **fields).name)
    assert done.state is State.SUCCEEDED
    assert done.progress.done == done.progress.total == result_of(done).file_count
    return result_of(done), failures(rig, done)


def result_of(done: Operation) -> pb.ImportInstancesResult:
    result, boxed = pb.ImportInstancesResult(), any_pb2.Any.FromString(done.result)
    assert boxed.Unpack(result)
    return result


def failures(rig: Rig, done: Operation) -> dict[str, str]:
    return {failure.item: reason(failure.status) for _, failure in rig.queue.failures(done.name, 0, 1000)}


def reason(status: bytes) -> str:
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status_pb2.Status.FromString(status).details)
    return str(info.reason)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_folder_is_stored_with_a_result_for_each_file(rig: Rig, door: Any, room: Path) -> None:
    put(door, make(0))
    for number in range(4):
        write(room / "a" / f"{number}.dcm", make(number))
    write(room / "b" / "c.zip", zipped({"x/4": make(4), "text": b"no DICOM", "bad": make(5)[:3000]}))
    write(room / "b" / "text", b"no DICOM")
    write(room / "b" / "cut", make(6)[:-10])
    write(room / "empty", b"")
    write(room / "z.zip", b"PK\3\4 and no more")
    result, refusals = bring_in(rig, door, room)
    assert refusals == {
        "b/c.zip!bad": "DATA_SET_TRUNCATED",
        "b/cut": "DATA_SET_TRUNCATED",
        "z.zip": "CONTAINER_INVALID",
    }
    assert result == pb.ImportInstancesResult(
        file_count=11,
        stored_count=4,
        already_stored_count=1,
        refused_count=3,
        skipped_count=3,
        stored_bytes=sum(len(make(number)) for number in (1, 2, 3, 4)),
    )
    assert [get(door, number) for number in range(5)] == [make(number) for number in range(5)]


def test_what_is_imported_names_its_operation_in_the_feed(rig: Rig, door: Any, room: Path) -> None:
    path = write(room / "one.dcm", make(1))
    operation = start(door, path, store="both", origin=Origin(door="web", source="SITE"))
    assert ended(rig, operation.name).state is State.SUCCEEDED
    (entry,) = entries(door)
    assert entry.store == "both"
    assert entry.origin == Origin(door="web", source="SITE", operation=operation.name)


def test_an_import_again_stores_nothing_anew(rig: Rig, door: Any, room: Path) -> None:
    write(room / "x.zip", zipped({str(number): make(number) for number in range(3)}))
    assert bring_in(rig, door, room / "x.zip")[0].stored_count == 3
    result, _ = bring_in(rig, door, room)
    assert (result.file_count, result.stored_count, result.already_stored_count) == (3, 0, 3)


def test_a_dicomdir_brings_what_it_lists_and_a_folder_passes_it_over(rig: Rig, door: Any, room: Path) -> None:
    sample = Path(str(get_testdata_file("DICOMDIR", download=False)))
    for file in sample.parent.rglob("*"):
        if file.is_file() and not file.name.startswith("DICOMDIR-"):
            write(room / file.relative_to(sample.parent), file.read_bytes())
    (room / "77654033" / "CR1" / "6154").unlink()
    result, refusals = bring_in(rig, door, room / "DICOMDIR")
    assert refusals == {"77654033/CR1/6154": "SOURCE_NOT_FOUND"}
    assert (result.file_count, result.stored_count, result.refused_count) == (31, 30, 1)
    result, refusals = bring_in(rig, door, room)
    assert (result.already_stored_count, refusals) == (30, {})
    assert result.skipped_count >= 1


def test_another_data_set_under_a_known_uid_is_refused_by_name(rig: Rig, door: Any, room: Path) -> None:
    put(door, make(1))
    write(room / "a", make(1, PatientID="OTHER"))
    write(room / "b", make(2))
    result, refusals = bring_in(rig, door, room)
    assert (result.stored_count, refusals) == (1, {"a": "INSTANCE_CONFLICT"})


def test_what_is_too_large_is_refused_and_the_rest_go_on(rig: Rig, door: Any, room: Path) -> None:
    with write(room / "a", make(1)).open("ab") as file:
        file.truncate((1 << 26) + 1)
    write(room / "b", make(2))
    result, refusals = bring_in(rig, door, room)
    assert (result.stored_count, refusals) == (1, {"a": "INSTANCE_TOO_LARGE"})


def test_paths_are_checked_before_anything_starts(rig: Rig, door: Any, room: Path) -> None:
    write(room.parent / "outside", make(1))
    with refused(Reason.PATH_FORBIDDEN):
        start(door, room.parent / "outside")
    with refused(Reason.PATH_FORBIDDEN):
        start(door, room.parent / "missing")
    with refused(Reason.SOURCE_NOT_FOUND):
        start(door, room / "missing")
    with refused(Reason.INVALID_FIELD):
        start(door, Path("relative"))
    with refused(Reason.STORE_UNKNOWN):
        start(door, room, store="nowhere")
    assert rig.queue.page(None, 10, False) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"text", "CONTAINER_INVALID"), (b"PK\3\4", "CONTAINER_INVALID"), (bomb(1 << 40), "CONTAINER_LIMIT")],
)
def test_a_container_that_cannot_be_read_ends_the_operation(
    rig: Rig, door: Any, room: Path, data: bytes, why: str
) -> None:
    done = ended(rig, start(door, write(room / "x", data)).name)
    assert done.state is State.FAILED
    assert reason(done.error) == why


def test_the_same_request_starts_one_operation(rig: Rig, door: Any, room: Path) -> None:
    write(room / "a", make(1))
    first = start(door, room, request_id="one")
    assert start(door, room, request_id="one").name == first.name
    with refused(Reason.REQUEST_ID_REUSED):
        start(door, room / "a", request_id="one")
    assert ended(rig, first.name).state is State.SUCCEEDED


def test_the_same_request_has_the_same_answer_when_what_it_named_is_gone(rig: Rig, door: Any, room: Path) -> None:
    path = write(room / "a", make(1))
    first = start(door, path, request_id="one")
    assert ended(rig, first.name).state is State.SUCCEEDED
    path.unlink()
    assert start(door, path, request_id="one").name == first.name
    with refused(Reason.SOURCE_NOT_FOUND):
        start(door, path, request_id="two")
    with refused(Reason.REQUEST_ID_REUSED):
        start(door, path, request_id="one", store="both")


def test_a_full_disk_ends_the_operation_and_another_goes_on(rig: Rig, door: Any, room: Path) -> None:
    for number in range(3):
        write(room / str(number), make(number))
    rig.objects.full = True
    done = ended(rig, start(door, room).name)
    assert (done.state, reason(done.error)) == (State.FAILED, "DISK_FULL")
    rig.objects.full = False
    assert bring_in(rig, door, room)[0].stored_count == 3


def test_a_disk_that_fails_one_file_refuses_it(rig: Rig, door: Any, room: Path) -> None:
    write(room / "a", make(1))
    rig.objects.broken = True
    result, refusals = bring_in(rig, door, room)
    assert (result.refused_count, refusals) == (1, {"a": "INTERNAL"})


def test_several_files_share_a_commit_and_all_are_counted(rig: Rig, door: Any, room: Path) -> None:
    for number in range(300):
        write(room / f"{number:03d}", make(number))
    result, refusals = bring_in(rig, door, room)
    assert (result.stored_count, refusals) == (300, {})
    assert len(entries(door)) == 300


def test_failures_past_the_bound_are_counted_only(
    rig: Rig, door: Any, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_MOST_FAILURES", 3)
    for number in range(5):
        write(room / str(number), make(number)[:3000])
    result, refusals = bring_in(rig, door, room)
    assert (result.refused_count, len(refusals)) == (5, 3)


class Halting:
    """Stops the walk before a file, until it is let go on."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there = threading.Event()
        self.go_on = threading.Event()
        files: Callable[..., Any] = FolderSource.files

        def halting(source: FolderSource, after: tuple[str, ...]) -> Any:
            for found in files(source, after):
                if found.name == name and not self.go_on.is_set():
                    self.there.set()
                    assert self.go_on.wait(60)
                yield found

        monkeypatch.setattr(FolderSource, "files", halting)


def test_an_import_is_cancelled_between_files(rig: Rig, door: Any, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        write(room / str(number), make(number))
    halt = Halting("5", monkeypatch)
    operation = start(door, room)
    assert halt.there.wait(60)
    rig.queue.cancel(operation.name)
    halt.go_on.set()
    assert ended(rig, operation.name).state is State.CANCELLED
    assert get(door, 0) == make(0)


def test_an_import_that_a_stop_cut_short_goes_on_with_its_counts(
    rig: Rig, door: Any, room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        write(room / f"{number:02d}", make(number) if number % 5 else make(number)[:3000])
    monkeypatch.setattr(importing, "_IN_FLIGHT", 1)
    halt = Halting("12", monkeypatch)
    operation = start(door, room)
    assert halt.there.wait(60)
    rig.queue.interrupt()
    halt.go_on.set()
    rig.queue.stop()
    rig.queue = OperationQueue(tmp_path / "state" / "operations.sqlite", "archive")
    DirectDoor(rig)
    rig.queue.start()
    done = ended(rig, operation.name)
    assert (done.state, done.attempts) == (State.SUCCEEDED, 2)
    result = result_of(done)
    assert (result.file_count, result.stored_count, result.refused_count) == (20, 16, 4)
    assert result.already_stored_count == 0
    assert [failure.item for _, failure in rig.queue.failures(operation.name, 0, 100)] == ["00", "05", "10", "15"]
    assert get(door, 19) == make(19)
    assert len({entry.instance_stored.instance.sop_instance_uid for entry in entries(door)}) == 16
    assert uid(0) not in {entry.instance_stored.instance.sop_instance_uid for entry in entries(door)}
