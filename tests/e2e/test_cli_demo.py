"""The demonstration runs to its end, fails loudly, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

DEMO = (sys.executable, "-m", "diana_cli.demo")


def _environment(room: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(room), **more}


def _processes(room: Path) -> list[str]:
    """Command lines of processes whose environment names the room."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(room).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended meanwhile, or is another user's
    return found


def test_every_step_passes_and_nothing_is_left(tmp_path: Path) -> None:
    done = subprocess.run(DEMO, env=_environment(tmp_path), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All steps passed" in done.stdout
    assert "try: diana-cli" in done.stdout
    assert "SHA-256" in done.stdout
    assert ("dcmsend sent 4 instances to AE title DIANA" if shutil.which("dcmsend") else "skipped") in done.stdout
    assert "none of them is in the" in done.stdout
    assert "| Subject: A study of trial demo is ready" in done.stdout
    assert "the ledger: state sent, attempts 1" in done.stdout
    assert _processes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_fails_ends_with_status_1_and_nothing_is_left(tmp_path: Path) -> None:
    environment = _environment(tmp_path, DIANA_GUID_NO_SUCH_SETTING="1")
    done = subprocess.run(DEMO, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert _processes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        demo = subprocess.Popen(DEMO, env=_environment(tmp_path), stdout=subprocess.PIPE, text=True)
        assert demo.stdout is not None
        while not demo.stdout.readline().startswith("2/"):
            pass
        demo.send_signal(number)
        demo.communicate(timeout=60)
        assert demo.returncode != 0
        assert _processes(tmp_path) == []
        assert list(tmp_path.iterdir()) == []
