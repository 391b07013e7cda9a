"""Zips of a watched folder: no instance in them is passed over, and then deleted with its zip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_client import Channel
from diana_route.core.model import State
from diana_route.core.rules import Delete, Put
from tests.contract.route.files_mesh import archive_channel, file_intake, held, instance, study_uid
from tests.support.hostile_zips import zipped

PUT, DELETE = Put("inbox"), Delete()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    with archive_channel(tmp_path_factory.mktemp("archive")) as channel:
        yield channel


def test_instances_in_a_zip_are_known_by_their_content_whatever_they_are_called(
    archive: Channel, tmp_path: Path
) -> None:
    names = (".hidden/1", "__MACOSX/2", "upload.tmp/3", "viewer/4.exe", "5.dcm~", "DICOMDIR", "7/")
    members = {name: instance(15, number) for number, name in enumerate(names)}
    index = b"\0" * 128 + b"DICM\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10"
    with file_intake(tmp_path, archive, [PUT, DELETE]) as intake:
        intake.write({"all.zip": zipped({**members, "index": index, ".viewer/a.exe": b"MZ", "a.jar": zipped({})})})
        job = intake.ended(1)["all.zip"]
    assert (job.state, job.stored_count, job.refused_count) == (State.DONE, len(names), 0)
    assert held(archive, 15) == {f"{study_uid(15)}.{number}" for number in range(len(names))}
    assert not list(intake.path.iterdir())


def test_what_may_hold_instances_unseen_keeps_its_zip(archive: Channel, tmp_path: Path) -> None:
    both = zipped({"a": instance(16, 1)}) + zipped({"b": instance(16, 2)})
    within = zipped({"a": instance(16, 3), ".b/c": zipped({"d": instance(16, 4)}), "e/": b"not nothing"})
    with file_intake(tmp_path, archive, [PUT, DELETE]) as intake:
        intake.write({"both.zip": both, "within.zip": within})
        jobs = intake.ended(2)
    assert jobs["both.zip"].steps[0].last_error == "CONTAINER_INVALID"
    assert jobs["within.zip"].refused_count == 2
    assert sorted(path.name for path in intake.path.iterdir()) == ["both.zip", "within.zip"]
