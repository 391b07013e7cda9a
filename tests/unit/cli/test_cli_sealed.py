"""unseal: what is asked of the archive, and what is shown."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_endpoints.items import Item
from diana_endpoints.services import Services
from tests.unit.cli.doubles import Sealing, Source


@pytest.fixture(autouse=True)
def archive(monkeypatch: pytest.MonkeyPatch) -> None:
    services = Services({})
    found = [Item({"study_uid": uid}, number=number) for number, uid in enumerate(("1.1", "1.2"), 1)]
    services._made |= {"archive:": Sealing(), "source": Source(found)}
    monkeypatch.setattr(Session, "services", services)


def _run(*args: str) -> Result:
    return CliRunner().invoke(cli, args, env={"COLUMNS": "200", "TERM": "dumb"})


def test_what_is_sealed_is_shown_and_does_not_steer_the_terminal() -> None:
    result = _run("unseal", "--study", "1.2")
    assert (result.exit_code, result.stdout) == (0, "1.2\n  patient_id: P1\ufffd[2J\n")


def test_a_study_with_nothing_sealed_fails_and_the_others_go_on() -> None:
    result = _run("--json", "dgetall", "source", "unseal")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["sealed"] == {"patient_id": "P1\x1b[2J"}
    assert "SEAL_MISSING" in result.stderr


def test_an_endpoint_that_seals_nothing_is_refused() -> None:
    assert _run("unseal", "--study", "1.2", "--in", "source").exit_code == 2
