"""A mesh that `diana-cli up` runs, and files to put into it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from diana_cli.app import cli
from tests.support.dicom_files import ROOT, make_small

CLI = (sys.executable, "-m", "diana_cli")


@dataclass
class LocalMesh:
    """A mesh that `diana-cli up` runs on a state folder."""

    state: Path
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, room: Path) -> LocalMesh:
        """Start one, and wait until it says that it is ready."""
        state = room / "state"
        command = [*CLI, "--json", "up", "--free-ports", "--state", str(state)]
        process = subprocess.Popen(command, cwd=room, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready and json.loads(ready)["ready"], f"up ended with {process.wait()}"
        return cls(state, process)

    def run(self, *args: str | Path, status: int = 0) -> str:
        """Run a chain against the mesh, inside this process; its standard output."""
        done = CliRunner().invoke(cli, ["--state", str(self.state), *map(str, args)])
        assert done.exit_code == status, f"status {done.exit_code}\n{done.output}"
        return done.stdout

    def items(self, *args: str | Path, status: int = 0) -> list[dict[str, Any]]:
        """Run a chain with --json; its items."""
        return [json.loads(line) for line in self.run("--json", *args, status=status).splitlines()]

    def services(self) -> dict[str, Any]:
        """Addresses and process ids, as the supervisor tells them."""
        services: dict[str, Any] = json.loads((self.state / "mesh.json").read_text())["services"]
        return services

    def pids(self) -> list[int]:
        """The processes of all services."""
        return [service["pid"] for service in self.services().values()]

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        return self.process.returncode


def run_cli(args: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run diana-cli as a process of its own, in a folder."""
    return subprocess.run([*CLI, *map(str, args)], cwd=folder, capture_output=True, text=True, timeout=120)


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def write_study(folder: Path, number: int, count: int = 3) -> dict[str, bytes]:
    """Files of a study of its own under the folder; their bytes by SOP Instance UID."""
    folder.mkdir(parents=True)
    files = {}
    for instance in range(count):
        uid = f"{ROOT}.9.{number}.{instance + 1}"
        files[uid] = make_small(
            patient_id=f"E2E{number}",
            study_uid=f"{ROOT}.9.{number}",
            series_uid=f"{ROOT}.9.{number}.0",
            sop_uid=uid,
        )
        (folder / f"{instance}.dcm").write_bytes(files[uid])
    return files


FILES = ("IM0001.dcm", "IM0002.dcm", "IM0003.dcm")


def write_scans(folder: Path, number: int = 1) -> None:
    """A CT study of three slices, as a scanner's export names them: of its own patient and accession number."""
    folder.mkdir(parents=True)
    study_uid = f"{ROOT}.9.{number}"
    for instance, name in enumerate(FILES, 1):
        uids = {"study_uid": study_uid, "series_uid": f"{study_uid}.0", "sop_uid": f"{study_uid}.{instance}"}
        data = make_small(patient_id=f"E2E{number}", AccessionNumber=f"ACC{number:04}", **uids)
        (folder / name).write_bytes(data)
