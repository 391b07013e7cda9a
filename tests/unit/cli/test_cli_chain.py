"""Chains: lazy from end to end, in an order that makes sense, failures told and counted."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_endpoints.items import BytesContent, Failure, Item
from diana_endpoints.services import Services
from tests.support.dicom_files import ROOT, make_small


class Endless:
    """A source without an end that counts what was taken; a target that hands on at once."""

    def __init__(self) -> None:
        self.taken = 0
        self.passed_over: Counter[str] = Counter()

    def close(self) -> None:
        """Nothing."""

    def list(self) -> Iterator[Item]:
        for number in itertools.count(1):
            self.taken += 1
            failure = Failure("NOT_PART10", "not a file", "Send another.") if number % 4 == 0 else None
            yield Item({"path": f"Doe^John/{number}"}, content=BytesContent(b""), failure=failure, number=number)

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            item.meta["outcome"] = "stored"
            yield item


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Endless:
    source = Endless()
    services = Services({})
    services._made["endless"] = source
    monkeypatch.setattr(Session, "_find_services", lambda _: services)
    return source


def _run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_no_more_is_taken_from_an_endless_source_than_is_printed(endless: Endless) -> None:
    result = _run("dgetall", "endless", "put", "endless", "print", "--limit", "3")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 3
    assert endless.taken == 3


def test_each_item_passes_the_whole_chain_before_the_next_is_taken(endless: Endless) -> None:
    result = _run("dgetall", "endless", "print", "put", "endless", "print", "--limit", "2")
    assert [line.startswith("stored") for line in result.stdout.splitlines()] == [False, True, False, True]


def test_a_failed_item_is_told_without_its_path_and_the_rest_go_on(endless: Endless) -> None:
    result = _run("dgetall", "endless", "print", "--limit", "10")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 10
    assert "dgetall: item 4: NOT_PART10: not a file" in result.stderr
    assert "Doe" not in result.stderr
    assert result.stderr.count("Send another.") == 1


def test_the_file_of_failures_names_the_source(endless: Endless, tmp_path: Path) -> None:
    _run("--failures", tmp_path / "failures", "dgetall", "endless", "print", "--limit", "4")
    [line] = (tmp_path / "failures").read_text().splitlines()
    assert json.loads(line) == {
        "path": "Doe^John/4",
        "reason": "NOT_PART10",
        "message": "not a file",
        "remedy": "Send another.",
    }


def test_json_output_holds_lines_of_json_and_nothing_else(endless: Endless) -> None:
    result = _run("--json", "dgetall", "endless", "print", "--limit", "5")
    paths = [json.loads(line)["path"] for line in result.stdout.splitlines()]
    assert paths == [f"Doe^John/{number}" for number in (1, 2, 3, 5, 6)]
    assert json.loads(result.stderr)["error"]["reason"] == "NOT_PART10"


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["print"], "print needs items"),
        (["put", "endless"], "put needs items"),
        (["delete", "--yes"], "delete needs items"),
        (["get"], "get needs items"),
        (["dgetall", "endless", "find"], "find begins a chain"),
        (["dgetall", "endless", "get", "--study", "1.2"], "get begins a chain"),
        (["ls", "dgetall", "endless"], "ls stands alone"),
        (["get", "--series", "1.2"], "--series needs --study"),
        (["find", "-m", "PatientID"], "must be ATTRIBUTE=VALUE"),
        (["watch", "--from-beginning", "--after", "x"], "exclude one another"),
        (["delete", "--study", "1.2"], "nobody is there to answer"),
        (["dgetall", "zipp:x"], "did you mean 'zip:'"),
        (["check", "endless"], "cannot be checked"),
    ],
)
def test_a_line_that_makes_no_sense_ends_with_status_2(endless: Endless, args: list[str], hint: str) -> None:
    result = CliRunner().invoke(cli, args, env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 2, result.output
    assert hint in result.stderr
    assert endless.taken == 0


def test_a_name_that_no_item_and_no_dictionary_knows_ends_the_chain_at_the_first_item(endless: Endless) -> None:
    result = _run("dgetall", "endless", "print", "-r", "NoSuchThing")
    assert (result.exit_code, endless.taken) == (2, 1)
    assert "is no attribute" in result.stderr


def test_counting_after_another_command_counts_its_items(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).write_bytes(make_small())
    result = _run("dgetall", f"path:{tmp_path}", "count")
    assert (result.exit_code, result.stdout) == (0, "3\n")


def test_attributes_are_read_from_the_header_when_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(make_small())
    result = _run("--json", "dgetall", f"path:{tmp_path}", "print", "-r", "Modality", "-r", "00100020")
    line = json.loads(result.stdout)
    assert (line["Modality"], line["00100020"]) == ("CT", "PHANTOM01")
    assert line["study_uid"] == f"{ROOT}.2.1"


def test_what_could_steer_a_terminal_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "\x1b]0;title\x07.dcm").write_bytes(make_small(StudyDescription="\x1b[2J"))
    result = _run("dgetall", f"path:{tmp_path}", "print", "-r", "StudyDescription")
    assert "\x1b" not in result.output
    assert "\x07" not in result.output


def test_a_folder_is_copied_under_uids_by_a_chain_of_two(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one").write_bytes(make_small())
    result = _run("dgetall", f"path:{tmp_path / 'in'}", "put", f"path:{tmp_path / 'out'}")
    assert (result.exit_code, result.stdout) == (0, "1 stored\n")
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 1
