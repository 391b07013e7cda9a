"""import, verify and backup: started at the archive, waited for, and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_endpoints.items import Item
from diana_endpoints.services import Services
from tests.unit.cli.doubles import REFUSED, Keeping, Source


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Keeping:
    double = Keeping()
    services = Services({})
    services._made |= {"archive:": double, "source": Source([])}
    monkeypatch.setattr(Session, "services", services)
    return double


def _run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.mark.parametrize(
    ("line", "started", "shown"),
    [
        (["import", "/srv/in"], ("import", "/srv/in"), "7"),
        (["verify-store"], ("verify", False), "9"),
        (["verify-store", "--repair"], ("verify", True), "9"),
        (["backup"], ("backup",), "8"),
    ],
)
def test_the_work_is_started_and_its_counts_are_shown(
    archive: Keeping, line: list[str], started: tuple[object, ...], shown: str
) -> None:
    result = _run(*line)
    assert result.exit_code == 0, result.output
    assert archive.started == [started]
    assert shown in result.stdout.splitlines()[1].split()


def test_a_file_that_was_refused_is_told_without_its_path(archive: Keeping, tmp_path: Path) -> None:
    archive.failed = Item({"path": "DOE^JANE/1.dcm"}, failure=REFUSED, number=3)
    result = _run("--failures", tmp_path / "failures", "import", "/srv/in")
    assert result.exit_code == 1
    assert "import: item 3: NOT_DEIDENTIFIABLE" in result.stderr
    assert "DOE" not in result.output
    assert json.loads((tmp_path / "failures").read_text())["path"] == "DOE^JANE/1.dcm"
    assert "7" in result.stdout.splitlines()[1].split()


def test_without_waiting_the_operation_is_printed(archive: Keeping) -> None:
    result = _run("--json", "import", "/srv/in", "--no-wait")
    assert json.loads(result.stdout)["operation"] == "operations/archive-1"


def test_an_endpoint_that_keeps_nothing_is_refused(archive: Keeping) -> None:
    result = _run("verify-store", "--in", "source")
    assert result.exit_code == 2
    assert "cannot do verify" in result.stderr
