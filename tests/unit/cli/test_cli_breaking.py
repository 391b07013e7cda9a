"""A chain that breaks: what was done is told, what was under way is kept, and who is away is named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_common.errors import DianaError, Reason
from diana_endpoints.items import Failure, Item
from diana_endpoints.services import Services
from tests.unit.cli.doubles import Source


class Dying:
    """Takes two items, and is away for the third; or a person presses Ctrl-C then."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def close(self) -> None:
        """Nothing."""

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            if item.number == 3:
                raise self._error
            item.meta["outcome"] = "stored"
            yield item


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    items = [Item({"study_uid": f"1.2.{number}"}, number=number) for number in (1, 2, 3, 4)]
    made = Services({})
    away = DianaError(Reason.PEER_UNAVAILABLE, "it does not answer")
    spoiled = [Item(number=1, failure=Failure("NOT_PART10", "not a file", "Send another."))] * 2
    made._made |= {
        "four": Source(items),
        "spoiled": Source(spoiled),
        "pacs": Dying(away),
        "held": Dying(KeyboardInterrupt()),
    }
    monkeypatch.setattr(Session, "_find_services", lambda _: made)
    return made


def _run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


@pytest.mark.parametrize(("target", "status", "why"), [("pacs", 3, "PEER_UNAVAILABLE"), ("held", 130, "INTERRUPTED")])
def test_what_was_done_is_told_and_what_was_under_way_is_kept(
    services: Services, tmp_path: Path, target: str, status: int, why: str
) -> None:
    kept = tmp_path / "failures"
    result = _run("--failures", kept, "dgetall", "four", "put", target)
    assert result.exit_code == status
    assert "2 stored" in result.stdout
    assert "put: 1 under way when the chain ended" in result.stderr
    [line] = [json.loads(line) for line in kept.read_text().splitlines()]
    assert (line["study_uid"], line["reason"]) == ("1.2.3", why)


def test_who_is_away_is_named_and_what_to_do_is_for_people(services: Services) -> None:
    result = _run("dgetall", "four", "put", "pacs")
    assert "put pacs: PEER_UNAVAILABLE: it does not answer" in result.stderr
    assert "diana-cli ls" in result.stderr


@pytest.mark.parametrize("place", ["redis://localhost:1", "orthanc+http://localhost:1"])
def test_what_is_not_of_the_mesh_and_away_ends_with_status_3_too(place: str) -> None:
    result = _run("dgetall", place)
    assert result.exit_code == 3
    assert f"dgetall {place}: PEER_UNAVAILABLE" in result.stderr


def test_a_file_of_failures_on_a_full_disk_is_told_of_once(services: Services) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    result = _run("--failures", "/dev/full", "dgetall", "spoiled")
    assert result.exit_code == 1
    assert result.stderr.count("the file cannot be written (No space left on device)") == 1
    assert "Traceback" not in result.output


def test_a_path_that_breaks_a_chain_is_not_told(services: Services) -> None:
    assert "Doe" not in _run("dgetall", "/data/Doe^John").output
    assert "Doe" not in _run("dgetall", "path:/data/Doe^John").output
