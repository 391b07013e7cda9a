"""The Node tour, as its users run it: npm ci, then node, against a live mesh."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from diana_common.errors import Reason
from tests.polyglot.toolchain import needs
from tests.support.dicom_files import ROOT as UID_ROOT
from tests.support.dicom_files import make_ct, make_small
from tests.support.mesh import Mesh

SMALL, LARGE = 20, 3


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of two studies: small files that share messages, and large ones of several chunks."""
    folder = tmp_path / "scans"
    (folder / "large").mkdir(parents=True)
    for number in range(SMALL):
        uids = {"study_uid": f"{UID_ROOT}.21", "series_uid": f"{UID_ROOT}.21.1", "sop_uid": f"{UID_ROOT}.21.1.{number}"}
        (folder / f"{number}.dcm").write_bytes(make_small(**uids))
    for number in range(LARGE):
        uids = {"study_uid": f"{UID_ROOT}.22", "series_uid": f"{UID_ROOT}.22.1", "sop_uid": f"{UID_ROOT}.22.1.{number}"}
        (folder / "large" / f"{number}.dcm").write_bytes(make_ct(1024, 1200, **uids))
    return folder


def run(client: Path, mesh: Mesh, folder: Path) -> subprocess.CompletedProcess[str]:
    addresses = ["--archive", mesh.archive, "--index", mesh.index, "--guid", mesh.guid]
    command = [needs("node"), "examples/store-find-fetch.js", *addresses, str(folder)]
    return subprocess.run(command, cwd=client, capture_output=True, text=True, timeout=120)


def test_a_folder_is_stored_found_and_fetched_back(client: Path, mesh: Mesh, scans: Path) -> None:
    ended = run(client, mesh, scans)
    assert ended.returncode == 0, ended.stderr
    stored, found, fetched, minted = ended.stdout.splitlines()
    assert stored == f"stored {SMALL + LARGE} of {SMALL + LARGE} files in 2 studies"
    assert found == "found 2 studies in the index"
    assert fetched == f"fetched study {UID_ROOT}.21: {SMALL} instances, SHA-256 equal to the source"
    assert minted.startswith("minted identity ")


def test_running_it_again_changes_nothing_and_ends_the_same(client: Path, mesh: Mesh, scans: Path) -> None:
    for file in scans.glob("*.dcm"):
        file.unlink()
    first, second = run(client, mesh, scans), run(client, mesh, scans)
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert f"fetched study {UID_ROOT}.22: {LARGE} instances" in first.stdout
    assert first.stdout == second.stdout


def test_a_refused_file_is_told_with_its_remedy_and_the_rest_is_stored(client: Path, mesh: Mesh, scans: Path) -> None:
    (scans / "notes.txt").write_text("not DICOM")
    ended = run(client, mesh, scans)
    assert ended.returncode == 1
    assert f"refused 1: NOT_PART10: {Reason.NOT_PART10.remedy}\n" == ended.stderr
    assert f"stored {SMALL + LARGE} of {SMALL + LARGE + 1} files in 2 studies" in ended.stdout
