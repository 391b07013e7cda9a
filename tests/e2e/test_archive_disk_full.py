"""A disk that is full, a real one: uploads are refused by reason, what is stored stays readable, and room is enough."""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import resources_pb2
from diana.operation.v1 import operation_service_pb2 as operations
from diana.operation.v1.operation_service_pb2_grpc import OperationServiceStub
from tests.support.dicom_files import ROOT, make_ct, make_small
from tests.support.large_files import large_requests
from tests.support.mesh import Mesh
from tests.support.upload import archive_stub, read, reason_of, upload

DISK_BYTES = 48 << 20
STUDY = f"{ROOT}.2.1"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, f"size={DISK_BYTES}".encode()):
        why = f"no file system can be mounted here ({errno.errorcode[ctypes.get_errno()]})"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{why}: CI needs it to prove what happens when a disk is full")
        pytest.skip(f"{why}: a full disk is not tested on this machine")
    try:
        yield place
    finally:
        libc.umount2(os.fsencode(place), 2)


class Ballast:
    """Takes room on a disk, at last all there is, and gives it back."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "ballast"
        self._path.write_bytes(bytes(8 << 20))

    def fill(self) -> None:
        """Take what is left, to the last byte."""
        with self._path.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def drop(self) -> None:
        """Make room."""
        self._path.unlink()


def open_mesh(tmp_path: Path, disk: Path) -> Mesh:
    """An archive whose state is on the disk; its log is not."""
    stores = '{"short": {"grace_period_seconds": 0, "quiet_period_seconds": 1}}'
    return Mesh(
        tmp_path / "mesh",
        "archive",
        settings={"DIANA_ARCHIVE_STATE_DIR": str(disk / "archive"), "DIANA_ARCHIVE_STORES": stores},
    )


def upload_until_refused(stub: Any, make: Callable[..., bytes], root: str, store: str = "") -> dict[str, bytes]:
    """What was stored until the disk was full."""
    stored: dict[str, bytes] = {}
    for number in itertools.count():
        uid = f"{ROOT}.{root}.{number}"
        data = make(sop_uid=uid, study_uid=STUDY)
        if reason := reason_of(upload(stub, [data], store)[0]):
            assert reason == "DISK_FULL"
            return stored
        stored[uid] = data
    raise AssertionError


def refusal_of(call: Callable[[], Any]) -> str:
    """The ErrorReason that a call is refused with; empty when it is not."""
    try:
        call()
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        info = error_details_pb2.ErrorInfo()
        assert status and any(detail.Unpack(info) for detail in status.details), error
        return str(info.reason)
    return ""


def verified(mesh: Mesh, stub: Any) -> pb.VerifyStoreResult:
    """What a verification finds."""
    started = stub.VerifyStore(pb.VerifyStoreRequest()).operation
    with grpc.insecure_channel(mesh.archive) as channel:
        waiting = OperationServiceStub(channel)
        ended = started
        while ended.state in (ended.STATE_QUEUED, ended.STATE_RUNNING):
            ended = waiting.WaitOperation(operations.WaitOperationRequest(name=started.name)).operation
    result = pb.VerifyStoreResult()
    assert ended.result.Unpack(result), ended
    return result


def assert_all_there(stub: Any, stored: dict[str, bytes]) -> None:
    for uid, data in stored.items():
        assert read(stub, uid) == data


def describe_until_refused(stub: Any) -> str:
    """Attributes only grow the catalogue's log; why one is refused at last."""
    for number in itertools.count():
        request = pb.UpdateStudyAttributesRequest(study_uid=STUDY, set={"note": f"{number:01000}"})
        if reason := refusal_of(partial(stub.UpdateStudyAttributes, request)):
            return reason
    raise AssertionError


@pytest.mark.timeout(180)
def test_a_full_disk_refuses_keeps_and_recovers_by_itself(tmp_path: Path, disk: Path) -> None:
    ballast = Ballast(disk)
    with open_mesh(tmp_path, disk) as mesh, archive_stub(mesh.archive) as stub:
        stored = upload_until_refused(stub, make_ct, "31")
        stored |= upload_until_refused(stub, make_small, "32")
        ballast.fill()
        answers = list(stub.UploadInstances(large_requests(f"{ROOT}.33.1", 5_000_000)))
        assert [reason_of(result) for answer in answers for result in answer.results] == ["DISK_FULL"]
        assert_all_there(stub, stored)
        ballast.drop()
        more = {uid: make_small(sop_uid=uid, study_uid=STUDY) for uid in (f"{ROOT}.34.{one}" for one in range(50))}
        assert {reason_of(one) for one in upload(stub, more.values()).values()} == {""}
    with open_mesh(tmp_path, disk) as mesh, archive_stub(mesh.archive) as stub:
        assert_all_there(stub, stored | more)
        assert {entry.instance_stored.instance.sop_instance_uid for entry in feed(stub)} == set(stored | more)


def feed(stub: Any) -> Iterator[Any]:
    for page in stub.WatchFeed(pb.WatchFeedRequest(stop_at_head=True, omit_headers=True)):
        yield from (entry for entry in page.entries if entry.HasField("instance_stored"))


@pytest.mark.timeout(180)
def test_a_disk_that_fills_while_the_catalogue_grows_loses_nothing(tmp_path: Path, disk: Path) -> None:
    ballast = Ballast(disk)
    with open_mesh(tmp_path, disk) as mesh, archive_stub(mesh.archive) as stub:
        stored = {f"{ROOT}.41.{number}": make_small(sop_uid=f"{ROOT}.41.{number}") for number in range(20)}
        assert {reason_of(one) for one in upload(stub, stored.values()).values()} == {""}
        ballast.fill()
        assert describe_until_refused(stub) == "DISK_FULL"
        assert_all_there(stub, stored)
        ballast.drop()
        request = pb.UpdateStudyAttributesRequest(study_uid=STUDY, set={"note": "there is room"})
        assert stub.UpdateStudyAttributes(request).study.attributes["note"] == "there is room"
        result = verified(mesh, stub)
        assert (result.instance_count, result.damaged_count, result.orphan_count) == (20, 0, 0)


@pytest.mark.timeout(180)
def test_what_is_deleted_on_a_full_disk_makes_room_in_the_end(tmp_path: Path, disk: Path) -> None:
    ballast = Ballast(disk)
    with open_mesh(tmp_path, disk) as mesh, archive_stub(mesh.archive) as stub:
        stored = upload_until_refused(stub, make_ct, "51", store="short")
        ballast.fill()
        request = pb.DeleteInstancesRequest(store="short", selector=resources_pb2.Selector(study_uid=STUDY))
        if refusal_of(lambda: stub.DeleteInstances(request)):
            ballast.drop()
            assert stub.DeleteInstances(request).deleted_count == len(stored)
        while stub.GetStatistics(pb.GetStatisticsRequest(store="short")).hidden_instance_count:
            pass
        while not upload_until_refused(stub, make_ct, "52"):
            pass


@pytest.mark.timeout(180)
def test_uploads_leave_room_for_deletes_and_for_a_start(tmp_path: Path, disk: Path) -> None:
    with open_mesh(tmp_path, disk) as mesh, archive_stub(mesh.archive) as stub:
        stored = upload_until_refused(stub, make_ct, "71", store="short")
        stored |= upload_until_refused(stub, make_small, "72", store="short")
        mesh.processes["archive"].kill()
        mesh.processes["archive"].start()
    with open_mesh(tmp_path, disk) as mesh, archive_stub(mesh.archive) as stub:
        request = pb.DeleteInstancesRequest(store="short", selector=resources_pb2.Selector(study_uid=STUDY))
        assert stub.DeleteInstances(request).deleted_count == len(stored)
        while not upload_until_refused(stub, make_ct, "73"):
            pass


@pytest.mark.timeout(180)
def test_an_archive_that_cannot_start_on_a_full_disk_says_so_and_starts_with_room(tmp_path: Path, disk: Path) -> None:
    ballast = Ballast(disk)
    uid = f"{ROOT}.61.1"
    with open_mesh(tmp_path, disk) as mesh:
        archive = mesh.processes["archive"]
        data = make_small(sop_uid=uid)
        with archive_stub(mesh.archive) as stub:
            assert reason_of(upload(stub, [data])[0]) == ""
        archive.kill()
        ballast.fill()
        try:
            archive.start()
        except RuntimeError:
            assert "disk is full" in archive.log()
        ballast.drop()
        archive.stop()
        archive.start()
        with archive_stub(mesh.archive) as stub:
            assert read(stub, uid) == data
            assert reason_of(upload(stub, [make_small(sop_uid=f"{ROOT}.61.2")])[0]) == ""
