"""docs/notify.md's first message, typed word for word, prints what it says; the mail server is the page's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection

import pytest
import yaml

from diana_cli.mesh.state import StateLock, write_mesh
from diana_client import NotifyClient, connect
from diana_common.settings import build
from diana_notify.__main__ import make_server
from diana_notify.config import NotifyConfig
from tests.support.awaiting import awaited
from tests.support.smtp import free_port
from tests.support.tour import blocks, plain

PAGE = Path(__file__).parents[3] / "docs" / "notify.md"
_PORT = "8025"


@pytest.fixture
def mail_port(tmp_path: Path) -> Iterator[int]:
    """Where the page's mail server listens, once it does; it writes what it gets into mails.txt."""
    port = free_port()
    settings, _, command = _preparation().replace(_PORT, str(port)).removesuffix(" &\n").rpartition("\n")
    subprocess.run(["bash", "-ec", settings], cwd=tmp_path, check=True)
    with subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=tmp_path, env=_environment()) as server:
        yield port
        server.kill()


@pytest.fixture
def client(tmp_path: Path, mail_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotifyClient]:
    """The page's notify, in a folder that a mesh seems to run in."""
    monkeypatch.chdir(tmp_path)
    settings = yaml.safe_load(Path("diana-state/config/notify.yaml").read_text("utf-8"))
    own = {"server": {"listen": "127.0.0.1:0"}, "state_dir": "diana-state/notify", "retry": {"first_seconds": 0.1}}
    server = make_server(build(NotifyConfig, {**settings, **own}))
    address = server.start()
    lock = StateLock(Path("diana-state"))
    write_mesh(Path("diana-state"), {"services": {"notify": {"address": address}}})
    with connect(address) as channel:
        yield NotifyClient(channel)
    lock.release()
    server.stop(0)


def test_the_first_message_prints_what_it_says(client: NotifyClient, mail_port: int) -> None:
    assert awaited(lambda: _listens(mail_port))
    for command, expected in (one for block in blocks(PAGE) for one in block):
        typed = subprocess.run(
            ["bash", "-c", f"exec 2>&1; {command}"], env=_environment(), capture_output=True, text=True, timeout=60
        )
        assert plain(typed.stdout) == plain(expected), f"{command}\n{typed.stdout}"
        assert awaited(lambda: all(one.HasField("end_time") for one in client.deliveries()))


def _preparation() -> str:
    return str(re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0])


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _listens(port: int) -> bool:
    try:
        create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
