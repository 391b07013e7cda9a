"""An archive whose stores are compressed, and one whose object store goes away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import any_pb2

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Selector
from diana_archive.core.rebuilding import Rebuilding
from diana_archive.stores.catalogue import SqliteCatalogue
from diana_archive.stores.files import FileObjects
from diana_archive.stores.memory import MemorySealKeys
from diana_archive.stores.outside import OutsideState
from diana_archive.stores.s3 import S3Objects
from diana_common.errors import Reason
from diana_server.operations.model import State
from tests.contract.archive import harness
from tests.contract.archive.harness import KEYS, NAMES, STUDY, Clock, DirectDoor, Rig, ended, get, put, refused, uid
from tests.contract.archive.places import make_bucket
from tests.support.dicom_files import make_ct, make_small
from tests.support.s3 import S3Server, serving
from tests.support.upload import reason_of


@pytest.fixture(params=["files", "s3"])
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rig(store_kind: str, s3: S3Server, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    def open_state(kind: str, directory: Path, stores: Sequence[str], clock: Clock) -> OutsideState:
        bucket = make_bucket(s3, tmp_path) if kind == "s3" else None
        return OutsideState(directory, stores, clock, bucket=bucket, compressed=NAMES)

    monkeypatch.setattr(harness, "open_state", open_state)
    rig = Rig(store_kind, tmp_path / "state", clock)
    yield rig
    rig.close()


@pytest.fixture
def door(rig: Rig) -> DirectDoor:
    return DirectDoor(rig)


def instances() -> list[bytes]:
    return [make_ct(sop_uid=uid(1)), make_small(sop_uid=uid(2)), make_ct(sop_uid=uid(3), rows=1500, cols=1500)]


def stream(door: Any, number: int, data: bytes) -> None:
    """Upload in pieces of a MiB, as a large instance comes."""
    size = 1 << 20
    chunks = [
        harness.chunk(number, data[start : start + size], start, start + size >= len(data))
        for start in range(0, len(data), size)
    ]
    answers = harness.send(door, chunks)
    assert reason_of(answers[number]) == ""


def put_all(door: Any) -> list[bytes]:
    files = instances()
    put(door, *files[:2])
    stream(door, 3, files[2])
    return files


def result(rig: Rig, operation: Any, message: Any) -> Any:
    done = ended(rig, operation.name)
    assert done.state is State.SUCCEEDED
    assert any_pb2.Any.FromString(done.result).Unpack(message)
    return message


def verify(rig: Rig, door: Any, repair: bool = False) -> pb.VerifyStoreResult:
    operation = door.VerifyStore(pb.VerifyStoreRequest(repair=repair)).operation
    verified: pb.VerifyStoreResult = result(rig, operation, pb.VerifyStoreResult())
    return verified


def test_what_is_kept_compressed_is_read_as_it_came(rig: Rig, door: DirectDoor) -> None:
    files = put_all(door)
    assert [get(door, number) for number in (1, 2, 3)] == files
    middle = len(files[2]) // 2
    assert get(door, 3, read_offset=middle, read_limit=5000) == files[2][middle : middle + 5000]
    answers = door.DownloadInstances(pb.DownloadInstancesRequest(selector=Selector(study_uid=STUDY)))
    assert b"".join(one.data for answer in answers for one in answer.chunks) == b"".join(files)


def test_a_verification_holds_the_plain_bytes_against_their_digest(rig: Rig, door: DirectDoor) -> None:
    put_all(door)
    verified = verify(rig, door)
    assert (verified.instance_count, verified.damaged_count, verified.orphan_count) == (3, 0, 0)


def test_a_backup_has_the_plain_bytes(rig: Rig, door: DirectDoor, tmp_path: Path) -> None:
    files = put_all(door)
    backed_up = result(rig, door.BackUpArchive(pb.BackUpArchiveRequest()).operation, pb.BackUpArchiveResult())
    assert backed_up.copied_count == 3
    again = result(rig, door.BackUpArchive(pb.BackUpArchiveRequest()).operation, pb.BackUpArchiveResult())
    assert again.copied_count == 0
    objects = FileObjects(tmp_path / "backup" / "stores")
    catalogue = SqliteCatalogue(tmp_path / "backup" / "catalogue.sqlite", NAMES)
    with catalogue.snapshot() as snapshot:
        kept = snapshot.kept("default", 0, 10)
    copies = {one.sop_instance_uid: objects.open("default", one.object_id).read(0, 1 << 24) for one in kept}
    assert copies == {uid(number): data for number, data in enumerate(files, 1)}
    catalogue.close()


def test_a_backup_goes_on_past_what_can_no_longer_be_read(
    rig: Rig, door: DirectDoor, s3: S3Server, tmp_path: Path
) -> None:
    put_all(door)
    damage_large_one(rig, s3, tmp_path)
    with refused(Reason.STORE_DAMAGED):
        get(door, 3)
    backed_up = result(rig, door.BackUpArchive(pb.BackUpArchiveRequest()).operation, pb.BackUpArchiveResult())
    assert backed_up.instance_count == 3
    assert not list(tmp_path.glob("backup/**/*.partial"))
    assert verify(rig, door, repair=True).damaged_count == 1
    stream(door, 3, instances()[2])
    assert get(door, 3) == instances()[2]


def damage_large_one(rig: Rig, s3: S3Server, tmp_path: Path) -> None:
    roots = [tmp_path / "state" / "stores", s3.path(f"tests/{tmp_path.name}")]
    (path,) = [path for root in roots for path in root.rglob("*.dcm.zst") if path.stat().st_size > 1 << 20]
    with path.open("r+b") as file:
        file.seek(500_000)
        file.write(b"not what it was")


def test_a_catalogue_is_rebuilt_from_compressed_objects(
    rig: Rig, door: DirectDoor, s3: S3Server, tmp_path: Path
) -> None:
    files = put_all(door)
    catalogue = SqliteCatalogue(None, NAMES)
    objects: FileObjects | S3Objects
    if rig.state and isinstance(rig.state.objects, S3Objects):
        objects = S3Objects(make_bucket(s3, tmp_path), tmp_path / "spool", lambda: 1, (), 0.0)
    else:
        objects = FileObjects(tmp_path / "state" / "stores")
        objects.start(objects.highest_id(NAMES) + 1)
    rebuilt = Rebuilding(catalogue, objects, rig.sidecars, MemorySealKeys(KEYS)).rebuild(NAMES, lambda _: None)
    assert (rebuilt.instance_count, rebuilt.set_aside_count) == (3, 0)
    with catalogue.snapshot() as snapshot:
        sizes = {one.size_bytes for one in snapshot.kept("default", 0, 10)}
    assert sizes == {len(one) for one in files}
    catalogue.close()


@pytest.fixture
def away(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[S3Server, Rig]]:
    """An archive with an object store of its own."""
    (tmp_path / "own").mkdir()
    with serving(tmp_path / "own") as server:

        def open_state(kind: str, directory: Path, stores: Sequence[str], clock: Clock) -> OutsideState:
            return OutsideState(directory, stores, clock, bucket=make_bucket(server, tmp_path))

        monkeypatch.setattr(harness, "open_state", open_state)
        rig = Rig("s3", tmp_path / "state", clock)
        yield server, rig
        rig.close()


def test_an_object_store_that_is_away_is_told_and_nothing_is_called_damaged(away: tuple[S3Server, Rig]) -> None:
    server, rig = away
    door = DirectDoor(rig)
    (kept, late) = make_ct(sop_uid=uid(1)), make_small(sop_uid=uid(2))
    put(door, kept)
    server.stop()
    (answer,) = harness.send(door, [harness.chunk(1, late)]).values()
    assert reason_of(answer) == "PEER_UNAVAILABLE"
    with refused(Reason.PEER_UNAVAILABLE):
        get(door, 1)
    failed = ended(rig, door.VerifyStore(pb.VerifyStoreRequest(repair=True)).operation.name)
    assert failed.state is State.FAILED
    server.start()
    assert get(door, 1) == kept
    put(door, late)
    assert get(door, 2) == late
    verified = verify(rig, door)
    assert (verified.instance_count, verified.damaged_count) == (2, 0)


def test_an_archive_does_not_start_without_its_object_store(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "own").mkdir()
    with serving(tmp_path / "own") as server:
        server.stop()
        with refused(Reason.PEER_UNAVAILABLE):
            OutsideState(tmp_path / "state", NAMES, clock, bucket=make_bucket(server, tmp_path))
        server.start()
        state = OutsideState(tmp_path / "state", NAMES, clock, bucket=make_bucket(server, tmp_path))
        state.catalogue.close()
        state.close()
