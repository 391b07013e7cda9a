"""Instances handed over one by one, by many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from diana.type.v1.origin_pb2 import Origin
from diana_client import ArchiveClient, Channel, MeshError, NotFound, Submission, Unavailable, connect
from tests.contract.client.fake_archive import FakeArchive, file_of
from tests.support.dicom_files import ROOT, make_small
from tests.support.mesh import Mesh


def test_each_of_many_threads_gets_the_answer_to_its_own(channel: Channel, fake: FakeArchive) -> None:
    submission = Submission(channel, store="trial", origin=Origin(door="dimse", source="CT1"))
    with ThreadPoolExecutor(16) as threads:
        futures = list(threads.map(lambda n: submission.upload(file_of(f"1.{n}")), range(200)))
    assert [one.result().instance.sop_instance_uid for one in futures] == [f"1.{n}" for n in range(200)]
    submission.close()
    assert [one.store for one in fake.uploads] == ["trial"]


def test_what_is_longer_than_a_chunk_comes_whole(channel: Channel, fake: FakeArchive) -> None:
    large = file_of("1.1", b"x" * 3_000_000)
    submission = Submission(channel)
    assert submission.upload(large).result().error is None
    submission.close()
    assert fake.files["1.1"] == large


def test_after_a_cut_what_was_not_answered_fails_and_the_next_one_opens_a_stream(
    channel: Channel, fake: FakeArchive
) -> None:
    fake.cut_after = [0]
    submission = Submission(channel)
    with pytest.raises(MeshError):
        submission.upload(file_of("1.2")).result()
    assert submission.upload(file_of("1.2")).result().error is None
    submission.close()


def test_nothing_is_taken_once_it_is_closed(channel: Channel) -> None:
    submission = Submission(channel)
    submission.upload(file_of("1.1"))
    submission.close()
    with pytest.raises(Unavailable):
        submission.upload(file_of("1.2"))


def test_files_of_a_spool_are_taken_over(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    names = [f"{number}.dcm" for number in range(20)]
    for number, name in enumerate(names):
        (spool / name).write_bytes(make_small(sop_uid=f"{ROOT}.4.{number}"))
    with Mesh(tmp_path, "archive", settings={"DIANA_ARCHIVE_SPOOL_DIRS": f"{{door: {spool}}}"}) as mesh:
        with connect(mesh.archive) as channel:
            submission = Submission(channel, spool="door")
            results = [one.result() for one in [submission.adopt(name) for name in names]]
            missing = submission.adopt("other.dcm").result()
            submission.close()
            assert len(list(ArchiveClient(channel).instances(results[0].instance.study_uid))) == 20
    assert isinstance(missing.error, NotFound)
    assert list(spool.iterdir()) == []
