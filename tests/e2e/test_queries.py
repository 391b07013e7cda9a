"""docs/queries.md, typed word for word, prints what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import tour
from tests.support.query_files import write_files

CHECKOUT = Path(__file__).resolve().parents[2]
QUERIES = CHECKOUT / "docs" / "queries.md"
# A person is slower than the index; a script waits for it before the next command.
_SETTLE = """
import json
from diana_client import ArchiveClient, IndexClient, connect
services = json.load(open("diana-state/mesh.json"))["services"]
archive, index = (connect(services[name]["address"]) for name in ("archive", "index"))
IndexClient(index).count("instance", at_least_position=ArchiveClient(archive).statistics().head_position)
"""
_CHANGING = ("put archive:", "delete")


@pytest.mark.timeout(300)  # some seventy processes, one after another
def test_every_example_prints_what_it_says(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CHECKOUT": str(CHECKOUT)}
    typed = [one for block in tour.blocks(QUERIES) for one in block]
    script = "exec 2>&1\n" + "\n".join(f"{command}\necho =====\n{_settle(command)}" for command, _ in typed)
    with tour.up(tmp_path, environment, tour.blocks()[0][1][1]):
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )
    printed = done.stdout.split("=====\n")
    assert len(printed) == len(typed) + 1
    for (command, expected), output in zip(typed, printed, strict=False):
        assert tour.plain(output) == tour.plain(expected), f"{command}\n{output}"


def test_the_files_are_the_same_whenever_they_are_made(tmp_path: Path) -> None:
    for name in ("once", "again"):
        write_files(tmp_path / name)
    once = {path.relative_to(tmp_path / "once"): path.read_bytes() for path in (tmp_path / "once").rglob("*.dcm")}
    again = {path.relative_to(tmp_path / "again"): path.read_bytes() for path in (tmp_path / "again").rglob("*.dcm")}
    assert len(once) == 17
    assert once == again


def _settle(command: str) -> str:
    return f"python -c '{_SETTLE}'" if any(word in command for word in _CHANGING) else ""
