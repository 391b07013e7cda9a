"""An archive that need not outlive power cuts outlives kill -9 all the same."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.test_kill_archive import kill_repeatedly


def test_without_waiting_for_the_disk_every_acknowledged_instance_survives_kills(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, cycles=3, seed=2, settings={"DIANA_ARCHIVE_DURABILITY": "process_crash"})
    assert "what is acknowledged may be lost in a power cut" in (tmp_path / "archive.log").read_text()
