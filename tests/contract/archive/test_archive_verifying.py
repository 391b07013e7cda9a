"""A store is held against its catalogue, and mended."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any, cast

import pytest
from google.protobuf import any_pb2

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Selector
from diana_archive.core.verifying import Verified
from diana_archive.stores.files import FileObjects
from diana_archive.stores.memory import MemoryObjects, MemoryReader
from diana_archive.stores.pack_format import join_id
from diana_archive.stores.s3 import S3Objects
from diana_common.errors import Reason
from diana_server.operations.model import State
from tests.contract.archive.harness import STUDY, Rig, ended, get, kinds, make, put, refused, uid


def verify(rig: Rig, door: Any, repair: bool = False) -> tuple[pb.VerifyStoreResult, list[str]]:
    """Its result, and the SOP Instance UIDs that it calls damaged."""
    operation = door.VerifyStore(pb.VerifyStoreRequest(repair=repair)).operation
    done = ended(rig, operation.name)
    assert done.state is State.SUCCEEDED
    result, boxed = pb.VerifyStoreResult(), any_pb2.Any.FromString(done.result)
    assert boxed.Unpack(result)
    return result, [failure.item for _, failure in rig.queue.failures(operation.name, 0, 100)]


class Vandal:
    """Lays hands on the bytes of the store "default" behind the archive's back. Objects are numbered from 1."""

    def __init__(self, rig: Rig) -> None:
        self._objects = cast("MemoryObjects | FileObjects | S3Objects", rig.objects._objects)

    def restart(self) -> None:
        """Have far higher ids be given, as a later run does, or all count as settled."""
        if isinstance(self._objects, FileObjects):
            self._objects.start(join_id(1000))
        elif isinstance(self._objects, S3Objects):
            self._objects.settled_after_seconds = 0.0

    def alter(self, number: int, at: int = -1) -> None:
        """Flip a bit."""
        content = bytearray(self._read(number))
        content[at] ^= 1
        self._write(self._id(number), bytes(content))

    def lengthen(self, number: int) -> None:
        """Append a byte."""
        self._write(self._id(number), self._read(number) + b"\0")

    def lose(self, number: int) -> None:
        """Have it be gone when it is looked for."""
        assert self._objects.remove([("default", self._id(number))]) == [None]

    def plant(self) -> None:
        """Bytes that no instance has."""
        self._write(join_id(999), b"nobody's")

    def _id(self, number: int) -> int:
        if isinstance(self._objects, MemoryObjects):
            return sorted(one for _, one in self._objects.content)[number - 1]
        return next(islice(self._objects.ids("default"), number - 1, None))

    def _read(self, number: int) -> bytes:
        return self._objects.open("default", self._id(number)).read(0, 1 << 20)

    def _write(self, object_id: int, content: bytes) -> None:
        if isinstance(self._objects, MemoryObjects):
            self._objects.content["default", object_id] = content
        else:
            self._objects.copy("default", object_id, MemoryReader(content))


@pytest.fixture
def vandal(rig: Rig) -> Vandal:
    return Vandal(rig)


def test_a_sound_store_is_found_sound(rig: Rig, door: Any) -> None:
    files = [make(number) for number in range(5)]
    put(door, *files)
    result, damaged = verify(rig, door)
    assert (result.instance_count, result.size_bytes) == (5, sum(map(len, files)))
    assert (result.damaged_count, result.orphan_count, damaged) == (0, 0, [])


def test_altered_long_and_lost_bytes_are_found_and_nothing_is_changed(rig: Rig, door: Any, vandal: Vandal) -> None:
    put(door, *[make(number) for number in range(6)])
    vandal.alter(1)
    vandal.alter(2, at=10)
    vandal.lengthen(3)
    vandal.lose(4)
    result, damaged = verify(rig, door)
    assert (result.instance_count, result.damaged_count) == (6, 4)
    assert damaged == [uid(0), uid(1), uid(2), uid(3)]
    assert get(door, 1)[10] == 1  # still read as it lies
    assert missing(door, 0) == []


def test_what_is_damaged_is_marked_and_replaced_by_the_same_instance(rig: Rig, door: Any, vandal: Vandal) -> None:
    files = [make(number) for number in range(2)]
    put(door, *files)
    vandal.alter(1)
    assert verify(rig, door, repair=True)[1] == [uid(0)]
    with refused(Reason.STORE_DAMAGED):
        get(door, 0)
    assert missing(door, 0) == [uid(0)]
    (again,) = put(door, files[0])
    assert again.outcome == pb.UploadResult.OUTCOME_STORED_AS_CURRENT
    assert get(door, 0) == files[0]
    assert missing(door, 0) == []
    result, damaged = verify(rig, door)
    assert (result.instance_count, damaged) == (2, [])
    assert kinds(door) == ["instance_stored"] * 3


def test_a_marked_instance_is_reported_again_until_it_is_replaced(rig: Rig, door: Any, vandal: Vandal) -> None:
    put(door, make(0))
    vandal.lose(1)
    verify(rig, door, repair=True)
    result, damaged = verify(rig, door)
    assert (result.damaged_count, damaged) == (1, [uid(0)])


def test_bytes_without_an_instance_are_counted_and_set_aside(rig: Rig, door: Any, vandal: Vandal) -> None:
    put(door, make(0))
    vandal.restart()  # ids of the same run might be on their way
    vandal.plant()
    assert verify(rig, door)[0].orphan_count == 1
    assert verify(rig, door, repair=True)[0].orphan_count == 1
    assert verify(rig, door)[0].orphan_count == 0
    assert get(door, 0) == make(0)


def test_deleted_instances_in_their_grace_period_are_read_too(rig: Rig, door: Any, vandal: Vandal) -> None:
    put(door, make(0), make(1))
    door.DeleteInstances(pb.DeleteInstancesRequest(selector=Selector(study_uid=STUDY)))
    vandal.alter(2)
    result, damaged = verify(rig, door)
    assert (result.instance_count, damaged) == (2, [uid(1)])


def test_one_that_was_cut_short_goes_on_where_it_was(rig: Rig, door: Any) -> None:
    put(door, *[make(number) for number in range(5)])

    class Stop(Exception):
        pass

    class Watcher:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def progress(self, done: int, total: int) -> None:
            assert done <= total == 5

        def fail(self, item: str, error: Any) -> None:
            raise AssertionError(item)

        def reached(self, verified: Any) -> None:
            self.seen.append(verified)
            if len(self.seen) == 2:
                raise Stop

    verifying = replace(rig.archive.verifying, page_size=2)
    first = Watcher()
    with pytest.raises(Stop):
        verifying.verify("", False, Verified(), first)
    assert first.seen[-1].instance_count == 4
    second = Watcher()
    assert verifying.verify("", False, first.seen[-1], second).instance_count == 5
    assert len(second.seen) == 1


def test_an_unknown_store_is_refused(door: Any) -> None:
    with refused(Reason.STORE_UNKNOWN):
        door.VerifyStore(pb.VerifyStoreRequest(store="nowhere"))


def missing(door: Any, *numbers: int) -> list[str]:
    """Which of these the store does not hold."""
    asked = [pb.InstanceDigest(sop_instance_uid=uid(number)) for number in numbers]
    return list(door.FindMissingInstances(pb.FindMissingInstancesRequest(instances=asked)).missing_sop_instance_uids)
