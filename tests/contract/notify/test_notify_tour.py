"""The tour on docs/deliveries.md, typed word for word, prints what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from diana.notify.v1 import notify_service_pb2 as pb
from diana_cli.app import cli
from diana_cli.mesh.state import StateLock, write_mesh
from diana_client import NotifyClient, connect
from diana_common.settings import build
from diana_notify.__main__ import make_server
from diana_notify.config import NotifyConfig
from tests.support.awaiting import awaited
from tests.support.tour import blocks, plain

PAGE = Path(__file__).parents[3] / "docs" / "deliveries.md"
SETTINGS = re.compile(r"notify\.yaml <<END\n(.*?)^END$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotifyClient]:
    """The page's notify, in a folder that a mesh seems to run in."""
    monkeypatch.chdir(tmp_path)
    [settings] = SETTINGS.findall(PAGE.read_text("utf-8"))
    own = {"server": {"listen": "127.0.0.1:0"}, "state_dir": "diana-state/notify"}
    server = make_server(build(NotifyConfig, {**yaml.safe_load(settings), **own}))
    address = server.start()
    lock = StateLock(Path("diana-state"))
    write_mesh(Path("diana-state"), {"services": {"notify": {"address": address}}})
    with connect(address) as channel:
        yield NotifyClient(channel)
    lock.release()
    server.stop(0)


def typed(command: str) -> str:
    """What a command prints."""
    program, *words = shlex.split(command)
    if program == "cat":
        return "".join(Path(word).read_text("utf-8") for word in words)
    result = CliRunner().invoke(cli, words, env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0, result.output
    return result.stdout


def settled(client: NotifyClient) -> bool:
    """Whether everything was tried."""
    return all(one.attempt_count or one.state == pb.Delivery.STATE_CANCELLED for one in client.deliveries())


def test_the_tour_prints_what_it_says(client: NotifyClient) -> None:
    for command, expected in (one for block in blocks(PAGE) for one in block):
        if not command.startswith("diana-cli dispatch"):
            assert awaited(lambda: settled(client))
        printed = typed(command)
        assert plain(printed) == plain(expected), f"{command}\n{printed}"
