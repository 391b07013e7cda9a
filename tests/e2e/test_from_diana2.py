"""docs/from-diana2.md: what it types prints what it says, and it leaves nothing of the older documentation out."""

from __future__ import annotations

import base64
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import rich_click as click

from diana_cli.actions import Actions
from diana_cli.app import cli
from diana_cli.signatures import KEY_VARIABLE
from diana_endpoints.registry import ctype_of
from tests.support import orthanc, redis_server, tour, typed_page
from tests.support.local_mesh import write_scans
from tests.support.smtp import MailServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "from-diana2.md"
_SERVICES = re.compile(r"```sh\n(cat > services.yaml.*?)```", re.DOTALL)
_ROW = re.compile(r"^\| (.*?) \| (.*?) \|(?: .* \|)?$", re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")
_DIFFERING = ((r"\b[0-9a-f]{8}(-[0-9a-f]{8}){4}", "ID"), (r"localhost:\d+", "localhost:PORT"))
_VERBS = """check delete dgetall do fdump findex findex-get get guid ls mfind mock ofind oget ogetm oput oputm print put
setmeta verify wsend dispatch watch collect dcm2im index indexed-pull file-index anonymize fiup epdo siren wuphf-cli
upload-dir upload-zip notify-study start-watcher say_dlvl send_dlvl anon_and_send_dlvl upload_files
upload_and_anon_files index_dlvl --anon-salt --fkey --salt DIANA_SERVICES gmail: redis: orthanc:"""
"""Every command and handler of the older documentation, and the options that are not taken any more."""


@orthanc.needs_orthanc
@pytest.mark.timeout(300)  # some thirty processes, one after another
def test_the_older_lines_print_what_the_page_says(tmp_path: Path) -> None:
    write_scans(tmp_path / "data" / "dcm")
    (tmp_path / "orthanc").mkdir()
    typed = [one for block in tour.blocks(PAGE) for one in block]
    lines = [command.replace("/data", f"{tmp_path}/data") for command, _ in typed]
    with MailServer() as mail, orthanc.serving(tmp_path / "orthanc") as pacs, redis_server.serving() as redis:
        port = redis.rpartition(":")[2].partition("/")[0]
        environment = _environment(mail.port, pacs.port, port)
        [services] = _SERVICES.findall(PAGE.read_text("utf-8"))
        services = services.replace("port: 8042", f"port: {pacs.port}").replace("port: 6379", f"port: {port}")
        with tour.up(tmp_path, environment, tour.blocks()[0][1][1]):
            subprocess.run(["bash", "-ec", typed_page.at_ports(services, tmp_path)], cwd=tmp_path, check=True)
            script = typed_page.script(lines, lambda line: " put " in line)
            shell = ["bash", "-c", script]
            done = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
        texts = [mail.text.strip() for mail in mail.wait_for(3)]
    for (command, expected), output in zip(typed, typed_page.printed(done.stdout), strict=True):
        assert _plain(output, tmp_path) == _plain(expected, tmp_path), f"{command}\n{output}"
    assert texts == ["Dear Ada, ACC0001 of hobit is here.", "Hello 123", "Found ACC0001 in IM0001.dcm"]


def test_every_older_command_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    assert [verb for verb in _VERBS.split() if verb not in cli.commands and verb not in text] == []


def test_what_replaces_a_line_is_there() -> None:
    """Each command of the tables is one of ours, and each of its options one of theirs."""
    for _, here in _ROW.findall(PAGE.read_text("utf-8").partition("## What is replaced")[2]):
        for span in _SPAN.findall(here):
            words = shlex.split(span)
            if words[0] in cli.commands:
                options = {option for name in words if name in cli.commands for option in _options(name)}
                assert [word for word in words if word.startswith("-") and word not in options] == [], span


def test_the_older_names_of_endpoints_are_taken() -> None:
    rows = _ROW.findall(PAGE.read_text("utf-8").partition("## What works")[0])
    named = {older.split("`")[1]: _SPAN.findall(here)[0] for older, here in rows if older.startswith("`")}
    kinds = {older: here for older, here in named.items() if older[0].isupper() and older not in REPLACED}
    assert {older: ctype_of({"ctype": older}, "x") for older in kinds} == kinds


REPLACED = ("Montage", "ProxiedDicom")


def _options(name: str) -> set[str]:
    command = cli.commands[name]
    commands = [command, *command.actions.values()] if isinstance(command, Actions) else [command]
    params = [param for one in commands for param in one.params]
    return {option for one in params if isinstance(one, click.Option) for option in one.opts}


def _environment(smtp: int, pacs: int, redis: str) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(smtp),
        "SMTP_FROM": "diana@hospital.example",
        "ORTHANC_HOST": "127.0.0.1",
        "ORTHANC_PORT": str(pacs),
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": redis,
        KEY_VARIABLE: base64.b64encode(bytes(32)).decode(),
    }


def _plain(text: str, folder: Path) -> list[str]:
    return typed_page.plain(text, folder, *_DIFFERING)
