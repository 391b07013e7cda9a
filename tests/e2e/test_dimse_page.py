"""docs/dimse.md, typed word for word, prints what it says: DCMTK is the modality, Orthanc the PACS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.peers import orthanc
from tests.support import tour
from tests.support.smtp import free_port

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "dimse.md"
PROGRAMS = ("dcmsend", "echoscu", "findscu")
_SETTINGS = re.compile(r"```sh\n(mkdir -p diana-state/config\n.*?)```", re.DOTALL)
_DOOR, _PACS = "11112", "4242"
"""The ports of the page; the test's are free ones."""
# A person is slower than the index; a script waits for it after what stores.
_SETTLE = """
import json
from diana_client import ArchiveClient, IndexClient, connect
services = json.load(open("diana-state/mesh.json"))["services"]
archive, index = (connect(services[name]["address"]) for name in ("archive", "index"))
if head := ArchiveClient(archive).statistics().head_position:
    IndexClient(index).count("instance", at_least_position=head)
"""
_CHANGING = ("dcmsend", "pull")


def _dcmtk() -> dict[str, str]:
    """DCMTK's programs; pynetdicom has some of the same names where Python's scripts lie."""
    elsewhere = [one for one in os.environ["PATH"].split(os.pathsep) if Path(one) != Path(sys.executable).parent]
    found = {name: shutil.which(name, path=os.pathsep.join(elsewhere)) for name in PROGRAMS}
    return {name: path for name, path in found.items() if path}


pytestmark = pytest.mark.skipif(
    not (orthanc.BINARY.exists() and len(_dcmtk()) == len(PROGRAMS)) and "CI" not in os.environ,
    reason="Orthanc or DCMTK is not installed",
)


def _environment(room: Path) -> dict[str, str]:
    """DCMTK before pynetdicom, and our commands."""
    (room / "bin").mkdir()
    for name, path in _dcmtk().items():
        (room / "bin" / name).symlink_to(path)
    places = (room / "bin", Path(sys.executable).parent, os.environ["PATH"])
    return {**os.environ, "PATH": os.pathsep.join(map(str, places)), "CHECKOUT": str(CHECKOUT)}


@contextmanager
def _pacs(room: Path, port: int, door: str) -> Iterator[None]:
    """Orthanc as the page configures it."""
    (room / "orthanc").mkdir()
    more = {"DicomPort": port, "DicomModalities": {"diana": ["DIANA", "127.0.0.1", int(door)]}}
    with orthanc.running(room / "orthanc", more):
        yield


def _settle(command: str) -> str:
    return f"python -c '{_SETTLE}'" if any(word in command for word in _CHANGING) else ""


def _plain(text: str) -> list[str]:
    return tour.plain(re.sub(r"(?m)^(pacs +)\d+\.\d+ *$", r"\1TIME", text))


@pytest.mark.timeout(300)  # some forty processes, one after another
def test_every_example_prints_what_it_says(tmp_path: Path) -> None:
    environment, port = _environment(tmp_path), str(free_port())
    [settings] = _SETTINGS.findall(PAGE.read_text("utf-8"))
    subprocess.run(["bash", "-ec", settings.replace(_PACS, port)], cwd=tmp_path, check=True)
    first, *rest = tour.blocks(PAGE)
    typed = [one for block in rest for one in block]
    with tour.up(tmp_path, environment, first[0][1]):
        door = (tmp_path / "diana-state" / "run" / "dicom.address").read_text().rpartition(":")[2]
        with _pacs(tmp_path, int(port), door):
            script = "exec 2>&1\n" + "\n".join(
                f"{command.replace(_DOOR, door).replace(_PACS, port)}\necho =====\n{_settle(command)}"
                for command, _ in typed
            )
            done = subprocess.run(
                ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
            )
    printed = done.stdout.split("=====\n")
    assert len(printed) == len(typed) + 1
    for (command, expected), output in zip(typed, printed, strict=False):
        assert _plain(output) == _plain(expected), f"{command}\n{output}"
