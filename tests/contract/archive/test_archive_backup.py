"""A backup is made while the archive runs, brought up to date, and put back."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import any_pb2

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Selector
from diana_archive.stores.files import FileObjects
from diana_common.errors import Reason
from diana_server.operations.model import State
from tests.contract.archive.harness import (
    GRACE,
    STUDY,
    Clock,
    DirectDoor,
    Rig,
    ended,
    entries,
    get,
    make,
    put,
    refused,
    uid,
)


@pytest.fixture
def store_kind() -> str:
    return "files"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def back_up(rig: Rig, door: Any) -> pb.BackUpArchiveResult:
    done = ended(rig, door.BackUpArchive(pb.BackUpArchiveRequest()).operation.name)
    assert done.state is State.SUCCEEDED
    result, boxed = pb.BackUpArchiveResult(), any_pb2.Any.FromString(done.result)
    assert boxed.Unpack(result)
    return result


def restored(place: Path, tmp_path: Path) -> tuple[Rig, DirectDoor]:
    """An archive on a copy of the backup."""
    shutil.copytree(place, tmp_path / "restored")
    rig = Rig("files", tmp_path / "restored", Clock())
    return rig, DirectDoor(rig)


def test_what_was_there_when_it_began_can_be_put_back(rig: Rig, door: Any, place: Path, tmp_path: Path) -> None:
    files = [make(number) for number in range(4)]
    put(door, *files)
    door.UpdateStudyAttributes(pb.UpdateStudyAttributesRequest(study_uid=STUDY, set={"trial": "mammo"}))
    door.SealStudyAttributes(pb.SealStudyAttributesRequest(study_uid=STUDY, attributes={"note": "hidden"}))
    assert back_up(rig, door).copied_count == 4
    put(door, make(9))
    position = entries(door)[0].position

    other, again = restored(place, tmp_path)
    assert [get(again, number) for number in range(4)] == files
    with refused(Reason.INSTANCE_NOT_FOUND):
        get(again, 9)
    study = again.GetStudy(pb.GetStudyRequest(study_uid=STUDY)).study
    assert (dict(study.attributes), list(study.sealed_keys)) == ({"trial": "mammo"}, ["note"])
    opened = again.UnsealStudyAttributes(pb.UnsealStudyAttributesRequest(study_uid=STUDY))
    assert dict(opened.attributes) == {"note": "hidden"}
    with refused(Reason.EPOCH_CHANGED):
        list(again.WatchFeed(pb.WatchFeedRequest(after_position=position, stop_at_head=True)))
    put(again, make(9))
    other.close()


def test_the_next_one_copies_what_is_new_and_forgets_what_was_purged(
    rig: Rig, door: Any, place: Path, tmp_path: Path, clock: Clock
) -> None:
    put(door, make(0), make(1))
    back_up(rig, door)
    put(door, make(2))
    door.DeleteInstances(pb.DeleteInstancesRequest(selector=Selector(study_uid=STUDY, sop_instance_uids=[uid(0)])))
    clock.advance(GRACE + 1)
    rig.archive.upkeep.look()
    result = back_up(rig, door)
    assert (result.instance_count, result.copied_count, result.copied_bytes) == (2, 1, len(make(2)))
    assert sum(1 for _ in FileObjects(place / "stores").ids("default")) == 2
    other, again = restored(place, tmp_path)
    assert [get(again, number) for number in (1, 2)] == [make(1), make(2)]
    other.close()


def test_it_is_whole_though_instances_come_and_go_meanwhile(
    rig: Rig, door: Any, place: Path, tmp_path: Path, clock: Clock
) -> None:
    put(door, *[make(number) for number in range(20)])
    stop = threading.Event()

    def bustle() -> None:
        number = 100
        while not stop.is_set():
            put(door, make(number))
            gone = [uid(number - 90), uid(number)]
            door.DeleteInstances(
                pb.DeleteInstancesRequest(selector=Selector(study_uid=STUDY, sop_instance_uids=gone[number > 110 :]))
            )
            clock.advance(GRACE + 1)
            rig.archive.upkeep.look()
            number += 1

    thread = threading.Thread(target=bustle)
    thread.start()
    try:
        results = [back_up(rig, door) for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    other, again = restored(place, tmp_path)
    listed = again.ListInstances(pb.ListInstancesRequest(study_uid=STUDY)).instances
    assert len(listed) <= results[-1].instance_count
    for one in listed:
        read = pb.ReadInstanceRequest(sop_instance_uid=one.sop_instance_uid)
        assert sum(len(answer.data) for answer in again.ReadInstance(read)) == one.size_bytes
    other.close()


def test_without_a_place_it_is_refused(rig: Rig) -> None:
    door = DirectDoor(rig)
    door._servicer._work._backup = None
    with refused(Reason.CONFIG_INVALID):
        door.BackUpArchive(pb.BackUpArchiveRequest())


def test_a_copy_of_the_same_id_that_is_not_the_same_instance_is_made_anew(rig: Rig, door: Any, tmp_path: Path) -> None:
    put(door, make(0), make(1))
    back_up(rig, door)
    # As after a state directory was rolled back and went on: ids were given again.
    with closing(sqlite3.connect(tmp_path / "state" / "catalogue.sqlite")) as catalogue:
        catalogue.execute("UPDATE instance SET data_set_sha256 = zeroblob(32) WHERE sop_uid = ?", (uid(0),))
        catalogue.commit()
    assert back_up(rig, door).copied_count == 1
    assert back_up(rig, door).copied_count == 0
