"""docs/mock.md, typed word for word, prints what it says; what it describes can be described, and is all there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from diana_mock.description import Faults, Modality, Service, Site, sites
from tests.support import tour

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mock.md"
_DESCRIPTIONS = re.compile(r"```sh\n(cat > .*?)```", re.DOTALL)
_EVERYTHING = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
# A person is slower than the index; a script waits for it.
_SETTLE = """
import json
from diana_client import ArchiveClient, IndexClient, connect
services = json.load(open("diana-state/mesh.json"))["services"]
archive, index = (connect(services[name]["address"]) for name in ("archive", "index"))
IndexClient(index).count("instance", at_least_position=ArchiveClient(archive).statistics().head_position)
"""
_DOOR = "11112"
"""Where the page's mesh takes associations; the test's is elsewhere."""


def test_everything_that_can_be_described_is_on_the_page() -> None:
    [text] = _EVERYTHING.findall(PAGE.read_text("utf-8"))
    tree = yaml.safe_load(text)
    [found] = sites(tree)
    assert tree.keys() == {one.name for one in fields(Site)}
    assert tree["faults"].keys() == {one.name for one in fields(Faults)}
    assert tree["services"][0].keys() == {one.name for one in fields(Service)}
    assert found.services[0].modality is Modality.CT
    assert all(re.search(rf"^\|[^|]*\b{one.value}\b", PAGE.read_text("utf-8"), re.MULTILINE) for one in Modality)


@pytest.mark.timeout(300)
def test_every_example_prints_what_it_says(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for described in _DESCRIPTIONS.findall(PAGE.read_text("utf-8")):
        subprocess.run(["bash", "-ec", described], cwd=tmp_path, check=True)
    everything = [one for block in tour.blocks(PAGE) for one in block]
    [up] = [expected for command, expected in everything if command == "diana-cli up"]
    typed = [one for one in everything if one[0] != "diana-cli up"]
    with tour.up(tmp_path, environment, up):
        door = (tmp_path / "diana-state" / "run" / "dicom.address").read_text().rpartition(":")[2]
        script = "exec 2>&1\n" + "\n".join(
            f"{command.replace(_DOOR, door)}\necho =====\n{_settle(command)}" for command, _ in typed
        )
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )
    printed = done.stdout.split("=====\n")
    assert len(printed) == len(typed) + 1
    for (command, expected), output in zip(typed, printed, strict=False):
        assert tour.plain(output) == tour.plain(expected), f"{command}\n{output}"


def _settle(command: str) -> str:
    return f"python -c '{_SETTLE}'" if "--dest DIANA" in command else ""
