"""What ls says of services, and what it must not."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from diana_cli.app import cli
from diana_endpoints.folder import Folder
from diana_endpoints.protocol.endpoint import Health

SERVICES = """
bell: {ctype: apprise, url: "json://secret-word@127.0.0.1:9/hook"}
pacs: {ctype: orthanc, url: "http://127.0.0.1:9/orthanc"}
box: {ctype: folder, path: "."}
"""


def _listed(*options: str) -> dict[str, dict[str, str]]:
    result = CliRunner().invoke(cli, ["--services", SERVICES, "--json", "ls", *options])
    items = [json.loads(line) for line in result.stdout.splitlines()]
    return {item["endpoint"]: item for item in items}


def test_an_address_that_is_a_secret_is_not_shown() -> None:
    listed = _listed("-k")
    assert "secret-word" not in json.dumps(listed)
    assert listed["pacs"]["where"] == "http://127.0.0.1:9/orthanc"


@pytest.mark.parametrize("answer", [None, SystemExit(3)])
def test_a_check_that_answers_no_health_is_told_of_at_once(
    answer: SystemExit | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_: Folder) -> Health | None:
        if answer:
            raise answer
        return None

    monkeypatch.setattr(Folder, "check", check)
    box = _listed()["box"]
    assert box["health"] == "down"
    assert "check" in box["detail"]
