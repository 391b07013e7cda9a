"""The examples that de-identify, in every language: what comes out is what the Python client gets."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from diana_client import AnonClient, ArchiveClient, IndexClient, connect
from diana_common.errors import Reason
from tests.polyglot.scans import make_study
from tests.polyglot.toolchain import Examples
from tests.support.mesh import Mesh


@pytest.fixture
def anon(mesh: Mesh) -> str:
    """host:port of the anon service."""
    return mesh.processes["anon"].address


def test_a_file_becomes_what_python_gets(examples: Examples, anon: str, tmp_path: Path) -> None:
    make_study(tmp_path / "scans", small=1, large=1)
    for number, path in enumerate(sorted((tmp_path / "scans").iterdir())):
        out = tmp_path / "out" / f"{number}.dcm"
        (line,) = examples.lines("anonymize", "--address", anon, path, out)
        clean = pydicom.dcmread(out)
        assert line == [str(out), clean.StudyInstanceUID, clean.SOPInstanceUID]
        assert clean.SOPInstanceUID != path.stem
        with connect(anon) as channel:
            assert out.read_bytes() == AnonClient(channel).anonymize_instance(path).read()
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_what_cannot_be_read_is_refused_and_leaves_no_file(examples: Examples, anon: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "out").mkdir()
    ended = examples.run("anonymize", "--address", anon, tmp_path / "notes.txt", tmp_path / "out" / "x.dcm")
    assert ended.returncode == 1
    assert ended.stderr.startswith("NOT_PART10: ")
    assert ended.stderr.endswith(f"{Reason.NOT_PART10.remedy}\n")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_profile_that_there_is_not_is_refused(examples: Examples, anon: str, tmp_path: Path) -> None:
    make_study(tmp_path / "scans", small=1, large=0)
    (path,) = (tmp_path / "scans").iterdir()
    ended = examples.run("anonymize", "--address", anon, "--profile", "nonesuch", path, tmp_path / "x.dcm")
    assert ended.returncode == 1
    assert ended.stderr.startswith("PROFILE_UNKNOWN: ")


def test_a_study_goes_into_another_store(
    examples: Examples, mesh: Mesh, anon: str, archive: ArchiveClient, index: IndexClient, tmp_path: Path
) -> None:
    study_uid = make_study(tmp_path / "scans")
    assert len(list(archive.upload(sorted((tmp_path / "scans").iterdir())))) == 4
    flags = ["--address", anon, "--attribute", "trial=mammo", "--attribute", "site=hospital=a"]
    (store, new_uid, count), (word, position) = examples.lines("anonymizestudy", *flags, study_uid, "deid")
    assert (store, count, word) == ("deid", "4", "position")
    study = archive.study(new_uid, store="deid")
    assert dict(study.attributes) == {"trial": "mammo", "site": "hospital=a"}
    assert (study.instance_count, study.complete) == (4, True)
    (found,) = index.find("study", {"StudyInstanceUID": new_uid}, store="deid", at_least_position=position)
    assert found.instance_count == 4
    again = examples.lines("anonymizestudy", *flags, study_uid, "deid")
    assert again[0] == ["deid", new_uid, "4"]


def test_an_operation_that_fails_is_told_with_its_reason(examples: Examples, anon: str) -> None:
    ended = examples.run("anonymizestudy", "--address", anon, "1.2.3", "deid")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith("STUDY_NOT_FOUND: ")
    assert ended.stderr.endswith(f"{Reason.STUDY_NOT_FOUND.remedy}\n")
