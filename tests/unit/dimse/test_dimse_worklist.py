"""The modality worklist: steps of files that come, change and go."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters import worklist_folder
from diana_dimse.adapters.worklist_folder import WorklistFolder
from diana_dimse.core.queries.worklist import find_steps
from tests.support.worklist_files import step, worklist_file


class Folder:
    """A worklist folder, and why files of it were left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped: list[str] = []
        self.worklist = WorklistFolder(path, self.skipped.append)

    def patients(self, keys: Mapping[str, Any] | None = None, title: str = "DIANA") -> list[str]:
        """The Patient IDs that a query finds."""
        asked = {"00100020": {"vr": "LO"}, **(keys or {})}
        return [one["00100020"]["Value"][0] for one in find_steps(self.worklist, title, asked).data_sets]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_steps_are_found_by_title_modality_date_and_name(folder: Folder) -> None:
    worklist_file(folder.path / "a.wl", "P1", step())
    worklist_file(folder.path / "b.DCM", "P2", step("MR1", "MR", "20260702"), name="Müller^Hans")
    questions: list[tuple[dict[str, Any], list[str]]] = [
        ({"00400001": {"vr": "AE", "Value": ["CT1"]}}, ["P1"]),
        ({"00080060": {"vr": "CS", "Value": ["M*"]}}, ["P2"]),
        ({"00400002": {"vr": "DA", "Value": ["20260701-20260702"]}}, ["P1", "P2"]),
        ({"00400001": {"vr": "AE", "Value": ["CT1"]}, "00080060": {"vr": "CS", "Value": ["MR"]}}, []),
    ]
    for keys, found in questions:
        assert folder.patients({"00400100": {"vr": "SQ", "Value": [keys]}}) == found
    assert folder.patients({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "müller*"}]}}) == ["P2"]


def test_each_step_of_a_file_is_an_answer_of_its_own(folder: Folder) -> None:
    worklist_file(folder.path / "a.wl", "P1", step(), step("MR1", "MR"))
    asked = {"00400100": {"vr": "SQ", "Value": [{"00400001": {"vr": "AE"}, "00400007": {"vr": "LO"}}]}}
    found = [one["00400100"]["Value"] for one in find_steps(folder.worklist, "DIANA", asked).data_sets]
    assert found == [
        [{"00400001": {"vr": "AE", "Value": [title]}, "00400007": {"vr": "LO"}}] for title in ("CT1", "MR1")
    ]


def test_files_that_come_change_and_go_are_seen(folder: Folder) -> None:
    assert folder.patients() == []
    worklist_file(folder.path / "a.wl", "P1", step())
    assert folder.patients() == ["P1"]
    worklist_file(folder.path / "a.wl", "P22", step())
    worklist_file(folder.path / "b.wl", "P3", step())
    assert folder.patients() == ["P22", "P3"]
    (folder.path / "a.wl").unlink()
    assert folder.patients() == ["P3"]


def test_a_folder_named_as_a_title_is_for_its_callers_alone(folder: Folder) -> None:
    (folder.path / "DIANA").mkdir()
    worklist_file(folder.path / "a.wl", "P1", step())
    worklist_file(folder.path / "DIANA" / "b.wl", "P2", step())
    assert folder.patients() == ["P1", "P2"]
    assert folder.patients(title="OTHER") == ["P1"]
    assert folder.patients(title="../..") == ["P1"]


def test_what_is_no_worklist_file_is_left_out_and_told_once(folder: Folder) -> None:
    worklist_file(folder.path / "good.wl", "P1", step())
    (folder.path / "lockfile").write_bytes(b"")
    (folder.path / "junk.wl").write_bytes(b"junk")
    (folder.path / "cut.wl").write_bytes((folder.path / "good.wl").read_bytes()[:-3])
    (folder.path / "long.wl").write_bytes(bytes(300 * 1024))
    os.mkfifo(folder.path / "pipe.wl")
    for _ in range(2):
        assert folder.patients() == ["P1"]
    assert sorted(folder.skipped) == ["DATA_SET_LIMIT", "DATA_SET_TRUNCATED", "NOT_PART10"]


def test_too_many_files_are_told_once(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worklist_folder, "_MOST_FILES", 2)
    for number in range(4):
        worklist_file(folder.path / f"{number}.wl", f"P{number}", step())
    assert folder.patients() == folder.patients() == ["P0", "P1"]
    assert folder.skipped == ["TOO_MANY"]


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DianaError) as missing:
        Folder(tmp_path / "none").patients()
    assert missing.value.reason is Reason.SOURCE_NOT_FOUND


def test_many_ask_at_once_while_files_change(folder: Folder) -> None:
    worklist_file(folder.path / "a.wl", "P1", step())
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(folder.patients())) for _ in range(8)]
    for number, thread in enumerate(threads):
        thread.start()
        worklist_file(folder.path / "b.wl", f"Q{number}", step())
    for thread in threads:
        thread.join()
    assert all(one[0] == "P1" for one in found)
    assert len(found) == 8
