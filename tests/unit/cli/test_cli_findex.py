"""findex and its like: what is asked of the index, and what is shown of its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.protocol.endpoint import OnProgress
from diana_endpoints.services import Services
from tests.support.dicom_files import make_small
from tests.unit.cli.doubles import REFUSED


class Indexing:
    """An index that knows folders."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.failed: list[Item] = []

    def close(self) -> None:
        pass

    def start_folder(self, path: str, read_all: bool = False) -> str:
        self.asked.append(("index", path, read_all))
        return "operations/index-1"

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        yield from self.failed
        yield Item({"file_count": 12, "read_count": 9, "outcome": "indexed"})

    def folders(self) -> Iterator[Item]:
        yield Item({"path": "/srv/old", "files": 4, "time": ""})

    def forget_folder(self, path: str) -> None:
        self.asked.append(("forget", path))

    def collections(self, kind: str, prefix: str = "") -> Iterator[Item]:
        self.asked.append(("list", kind, prefix))
        yield Item({"kind": kind, "value": "A1", "files": 3})

    def collected(self, kind: str, value: str, with_content: bool = True) -> Iterator[Item]:
        self.asked.append(("get" if with_content else "find", kind, value))
        yield Item({"path": "/srv/old/1.dcm"}, content=BytesContent(make_small()) if with_content else None, number=1)
        if with_content:
            yield Item({"path": "/srv/old/DOE^JANE.dcm"}, failure=REFUSED, number=2)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Indexing:
    double = Indexing()
    services = Services({})
    services._made["index:"] = double
    monkeypatch.setattr(Session, "services", services)
    return double


def _run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.mark.parametrize(
    ("line", "asked", "shown"),
    [
        (["findex", "/srv/old"], ("index", "/srv/old", False), "12"),
        (["findex", "/srv/old", "--read-all", "--no-wait"], ("index", "/srv/old", True), "operations/index-1"),
        (["findex-list", "--by", "patient", "--prefix", "P"], ("list", "patient", "P"), "A1"),
        (["findex-find", "A1"], ("find", "accession_number", "A1"), "/srv/old/1.dcm"),
        (["findex-find", "--by", "study", "1.2"], ("find", "study", "1.2"), "/srv/old/1.dcm"),
    ],
)
def test_what_is_asked_and_what_is_shown(
    index: Indexing, line: list[str], asked: tuple[object, ...], shown: str
) -> None:
    result = _run(*line)
    assert result.exit_code == 0, result.output
    assert index.asked == [asked]
    assert shown in result.stdout.splitlines()[1].split()


def test_folders_are_listed_and_forgotten(index: Indexing) -> None:
    assert "/srv/old" in _run("findex-list", "--folders").stdout
    assert _run("findex-forget", "/srv/old").exit_code == 0
    assert index.asked == [("forget", "/srv/old")]


def test_files_are_fetched_and_one_that_cannot_be_is_told_without_its_path(index: Indexing, tmp_path: Path) -> None:
    result = _run("--failures", tmp_path / "failures", "findex-get", "A1", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert [path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm")] == [make_small()]
    assert "JANE" not in result.stdout + result.stderr
    assert json.loads((tmp_path / "failures").read_text())["path"] == "/srv/old/DOE^JANE.dcm"


def test_a_file_that_could_not_be_indexed_is_a_failure_of_the_line(index: Indexing) -> None:
    index.failed = [Item({"path": "DOE^JANE/1.dcm"}, failure=REFUSED, number=1)]
    result = _run("findex", "/srv/old")
    assert result.exit_code == 1
    assert REFUSED.reason in result.stderr
    assert "JANE" not in result.stdout + result.stderr
