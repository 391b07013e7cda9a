"""A study of ten thousand instances: deleted at once, brought back, deleted for good, and its room is free again."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import resources_pb2
from tests.support.dicom_files import ROOT, make_small
from tests.support.mesh import Mesh
from tests.support.upload import archive_stub, read, reason_of

INSTANCES = 10_000
A_MESSAGE = 50
STUDY = f"{ROOT}.2.1"
SELECTOR = resources_pb2.Selector(study_uid=STUDY)
NO_GRACE = {"DIANA_ARCHIVE_STORES": '{"default": {"grace_period_seconds": 0}}'}


def make(number: int) -> bytes:
    return make_small(study_uid=STUDY, sop_uid=uid(number))


def uid(number: int) -> str:
    return f"{ROOT}.4.{number}"


def packed(numbers: Iterable[int]) -> Iterator[pb.UploadInstancesRequest]:
    """Many instances a message."""
    rest = iter(numbers)
    while batch := list(islice(rest, A_MESSAGE)):
        yield pb.UploadInstancesRequest(chunks=[pb.UploadChunk(tag=one, data=make(one), finish=True) for one in batch])


def statistics(stub: Any) -> pb.GetStatisticsResponse:
    answer: pb.GetStatisticsResponse = stub.GetStatistics(pb.GetStatisticsRequest())
    return answer


def disk_bytes(directory: Path) -> int:
    """What the files below take on the disk."""
    blocks = 0
    for path in directory.rglob("*"):
        # Some go while they are looked at.
        with suppress(FileNotFoundError):
            blocks += path.stat().st_blocks
    return 512 * blocks


@pytest.mark.timeout(180)
def test_a_study_of_ten_thousand_instances_is_deleted_restored_and_purged(tmp_path: Path) -> None:
    objects = tmp_path / "archive" / "stores"
    with Mesh(tmp_path, "archive") as mesh, archive_stub(mesh.archive) as stub:
        results = [result for answer in stub.UploadInstances(packed(range(INSTANCES))) for result in answer.results]
        assert [reason_of(result) for result in results] == [""] * INSTANCES
        assert stub.DeleteInstances(pb.DeleteInstancesRequest(selector=SELECTOR)).deleted_count == INSTANCES
        assert statistics(stub).instance_count == 0
        assert stub.UndeleteInstances(pb.UndeleteInstancesRequest(selector=SELECTOR)).restored_count == INSTANCES
        assert statistics(stub).instance_count == INSTANCES
        assert read(stub, uid(INSTANCES - 1)) == make(INSTANCES - 1)
        assert stub.DeleteInstances(pb.DeleteInstancesRequest(selector=SELECTOR)).deleted_count == INSTANCES
    before = disk_bytes(objects)
    assert before > INSTANCES * len(make(0))
    with Mesh(tmp_path, "archive", settings=NO_GRACE) as mesh, archive_stub(mesh.archive) as stub:
        while statistics(stub).hidden_instance_count or disk_bytes(objects) > before / 20:
            threading.Event().wait(0.2)
        assert reason_of(next(stub.UploadInstances(packed([0]))).results[0]) == ""
        assert read(stub, uid(0)) == make(0)
