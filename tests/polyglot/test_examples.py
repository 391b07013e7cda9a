"""The examples of every language against a live mesh: what they print is what the Python client is answered."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from diana.archive.v1.resources_pb2 import Instance
from diana_client import ArchiveClient, GuidClient, IndexClient, subject
from diana_common.errors import Reason
from tests.polyglot.scans import make_study
from tests.polyglot.toolchain import Examples
from tests.support.mesh import Mesh


@pytest.fixture
def study(archive: ArchiveClient, tmp_path: Path) -> str:
    """A study in the archive, whose files lie in `tmp_path`/scans."""
    study_uid = make_study(tmp_path / "scans")
    assert all(result.error is None for result in archive.upload(sorted((tmp_path / "scans").iterdir())))
    return study_uid


def test_identities_are_the_ones_that_python_mints(examples: Examples, mesh: Mesh, guid: GuidClient) -> None:
    given = [{"patientId": "P1", "sex": "SEX_FEMALE"}, {"patientId": "P2", "issuer": "SITE"}]
    printed = examples.lines("mint", "--address", mesh.guid, given="\n".join(map(json.dumps, given)))
    minted = [guid.mint(subject("P1", sex="F")), guid.mint(subject("P2", issuer="SITE"))]
    assert printed == [[one.id, one.name, str(one.time_offset.seconds)] for one in minted]


def test_a_subject_without_an_id_does_not_spoil_the_others(examples: Examples, mesh: Mesh) -> None:
    ended = examples.run("mint", "--address", mesh.guid, given='{"patientId": "P1"}\n{"sex": "SEX_OTHER"}\n')
    assert ended.returncode == 1
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr.startswith("SUBJECT_INVALID: ")
    assert Reason.SUBJECT_INVALID.remedy in ended.stderr


def test_a_folder_is_stored_and_a_second_time_is_there_already(
    examples: Examples, mesh: Mesh, archive: ArchiveClient, tmp_path: Path
) -> None:
    study_uid = make_study(tmp_path / "scans", small=120, large=2)
    for word in ("stored", "already stored"):
        *files, position = examples.lines("upload", "--address", mesh.archive, tmp_path / "scans")
        expected = sorted([word, str(path), path.stem] for path in (tmp_path / "scans").iterdir())
        assert sorted(files) == expected
        assert position == ["position", archive.statistics().head_position]
    for instance in archive.instances(study_uid):
        path = tmp_path / "scans" / f"{instance.sop_instance_uid}.dcm"
        assert b"".join(archive.read(instance.sop_instance_uid)) == path.read_bytes()


def test_a_refused_file_is_told_with_its_remedy_and_the_rest_is_stored(
    examples: Examples, mesh: Mesh, archive: ArchiveClient, tmp_path: Path
) -> None:
    study_uid = make_study(tmp_path / "scans")
    (tmp_path / "scans" / "notes.txt").write_text("not DICOM")
    (tmp_path / "scans" / "empty").touch()
    ended = examples.run("upload", "--address", mesh.archive, tmp_path / "scans")
    assert ended.returncode == 1
    *refused, total = ended.stderr.splitlines()
    assert total == "refused 2 of 6"
    assert all(line.split("\t")[2].startswith("NOT_PART10: ") for line in refused)
    assert all(line.endswith(Reason.NOT_PART10.remedy) for line in refused)
    assert archive.study(study_uid).instance_count == 4


def test_a_file_that_cannot_be_read_is_an_error(examples: Examples, mesh: Mesh, tmp_path: Path) -> None:
    ended = examples.run("upload", "--address", mesh.archive, tmp_path / "absent")
    assert ended.returncode == 1
    assert "no such file" in ended.stderr


@pytest.mark.parametrize("level", ["patient", "study", "series", "instance"])
def test_the_index_answers_as_it_answers_python(
    examples: Examples, mesh: Mesh, archive: ArchiveClient, index: IndexClient, study: str, level: str
) -> None:
    position = archive.statistics().head_position
    keys = {"PatientID": "P*", "StudyInstanceUID": study}
    found = list(index.find(level, keys, at_least_position=position))
    wanted = [f"{name}={value}" for name, value in keys.items()]
    printed = examples.lines("find", "--address", mesh.index, "--level", level, "--at-least", position, *wanted)
    uids = [one.sop_instance_uid or one.series_uid or one.study_uid or one.patient_id for one in found]
    assert printed == [[uid, str(one.instance_count)] for uid, one in zip(uids, found, strict=True)]


def test_more_records_than_a_page_has_are_all_found(
    examples: Examples, mesh: Mesh, archive: ArchiveClient, tmp_path: Path
) -> None:
    study_uid = make_study(tmp_path / "scans", small=130, large=0)
    assert len(list(archive.upload(sorted((tmp_path / "scans").iterdir())))) == 130
    flags = ["--address", mesh.index, "--level", "instance", "--at-least", archive.statistics().head_position]
    assert len(examples.lines("find", *flags, f"StudyInstanceUID={study_uid}")) == 130


def test_a_key_that_cannot_be_matched_is_refused_with_its_reason(examples: Examples, mesh: Mesh) -> None:
    ended = examples.run("find", "--address", mesh.index, "NoSuchKeyword=1")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("KEY_UNSUPPORTED: ")
    assert ended.stderr.endswith(f"{Reason.KEY_UNSUPPORTED.remedy}\n")


def test_a_study_is_fetched_into_a_folder_byte_for_byte(
    examples: Examples, mesh: Mesh, archive: ArchiveClient, study: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    printed = examples.lines("download", "--address", mesh.archive, study, out)
    instances = list(archive.instances(study))
    assert sorted(printed) == sorted([str(_path(out, one)), str(one.size_bytes)] for one in instances)
    assert sorted(path for path in out.rglob("*") if path.is_file()) == sorted(_path(out, one) for one in instances)
    for instance in instances:
        source = tmp_path / "scans" / f"{instance.sop_instance_uid}.dcm"
        assert _path(out, instance).read_bytes() == source.read_bytes()


def _path(folder: Path, instance: Instance) -> Path:
    return folder / instance.study_uid / instance.series_uid / f"{instance.sop_instance_uid}.dcm"


def test_a_study_that_is_not_there_leaves_no_folder(examples: Examples, mesh: Mesh, tmp_path: Path) -> None:
    ended = examples.run("download", "--address", mesh.archive, "1.2.3", tmp_path / "out")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("STUDY_NOT_FOUND: ")
    assert Reason.STUDY_NOT_FOUND.remedy in ended.stderr
    assert not (tmp_path / "out").exists()


def test_a_bad_field_is_named(examples: Examples, mesh: Mesh, tmp_path: Path) -> None:
    ended = examples.run("download", "--address", mesh.archive, "not-a-uid", tmp_path / "out")
    assert ended.returncode == 1
    assert ended.stderr.startswith("INVALID_FIELD: ")
    assert "[selector.study_uid: " in ended.stderr


def test_the_feed_tells_what_happened_after_a_position(
    examples: Examples, mesh: Mesh, archive: ArchiveClient, tmp_path: Path
) -> None:
    before = archive.statistics().head_position
    study_uid = make_study(tmp_path / "scans")
    stored = [result.instance.sop_instance_uid for result in archive.upload(sorted((tmp_path / "scans").iterdir()))]
    archive.update_attributes(study_uid, {"site": "a"})
    archive.delete(study_uid)
    archive.undelete(study_uid)
    flags = ["--address", mesh.archive, "--stop-at-head", "--store", "default"]
    *events, position = examples.lines("follow", *flags, "--after", before)
    changes = [[word, "default", study_uid] for word in ("attributes", "deleted", "restored")]
    assert events == [["stored", "default", uid] for uid in stored] + changes
    assert position == ["position", archive.statistics().head_position]
    assert examples.lines("follow", *flags, "--after", position[1]) == [position]


def test_a_follower_hears_of_what_happens_while_it_listens(
    examples: Examples, mesh: Mesh, archive: ArchiveClient, tmp_path: Path
) -> None:
    make_study(tmp_path / "scans", small=1, large=0)
    flags = ["--address", mesh.archive, "--after", archive.statistics().head_position]
    with examples.start("follow", *flags) as follower:
        try:
            assert follower.stdout is not None
            assert follower.stdout.readline().startswith("position\t")
            (result,) = archive.upload(list((tmp_path / "scans").iterdir()))
            assert follower.stdout.readline() == f"stored\tdefault\t{result.instance.sop_instance_uid}\n"
        finally:
            follower.terminate()


@pytest.mark.parametrize("line", [["download", "1.2"], ["upload"], ["anonymize", "a.dcm"], ["dispatch"], ["send"]])
def test_too_few_arguments_are_answered_with_the_usage(examples: Examples, line: list[str]) -> None:
    ended: subprocess.CompletedProcess[str] = examples.run(*line)
    assert ended.returncode != 0
    assert "usage: " in ended.stderr
