"""What `make bench` tells its caller: the exit status, and a verdict for every case that can be measured."""

import json
import sys
import threading
from pathlib import Path

import pytest

import bench.__main__ as command
from bench.harness import Case, Side, bound
from bench.room import Place


def _run(monkeypatch: pytest.MonkeyPatch, folder: Path, cases: list[Case], *arguments: str) -> int:
    monkeypatch.setattr(command, "all_cases", lambda: cases)
    monkeypatch.setattr(command, "OUT", folder / "out")
    monkeypatch.setattr(sys, "argv", ["bench", "--dir", str(folder), *arguments])
    return command.main()


def _case(name: str, ours: Side, group: str = "archive") -> Case:
    return Case(name, group, "files/s", ours, bound(100.0), at_least=1.0)


def _crash(_: Place) -> float:
    raise RuntimeError("the server went away")


def test_all_ratios_at_their_floors_is_status_zero(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert _run(monkeypatch, tmp_path, [_case("good", bound(100.0))]) == 0
    assert json.loads((tmp_path / "out" / "good.json").read_text())["ratio"] == 1.0


def test_a_ratio_under_its_floor_is_status_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert _run(monkeypatch, tmp_path, [_case("slow", bound(99.0))]) == 1
    assert json.loads((tmp_path / "out" / "slow.json").read_text())["ratio"] == 0.99


def test_a_case_that_crashes_leaves_no_old_verdict_and_does_not_hide_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _run(monkeypatch, tmp_path, [_case("first", bound(100.0))])
    assert _run(monkeypatch, tmp_path, [_case("first", _crash), _case("second", bound(100.0))]) == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["second.json"]


def test_a_group_without_cases_says_so_and_passes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, tmp_path, [_case("good", bound(100.0))], "--only", "mesh") == 0
    assert capsys.readouterr().out == "mesh: no case yet\n"


def test_only_the_asked_group_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cases = [_case("good", bound(100.0)), _case("slow", bound(1.0), group="guid")]
    assert _run(monkeypatch, tmp_path, cases, "--only", "archive") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.json"]


def test_a_case_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert _run(monkeypatch, tmp_path, [_case("good", bound(100.0))], "--case", "goood") == 2


def test_a_group_that_runs_out_of_time_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "GROUP_SECONDS", 0.05)

    def hang(_: Place) -> float:
        threading.Event().wait()
        return 1.0

    assert _run(monkeypatch, tmp_path, [_case("hanging", hang)]) == 1
