"""Killed between any two steps, a job is done all the same, and each of its effects is there once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.unit.route.killed_route import STEPS

STUDIES = [f"study inbox 1.2.{number}" for number in (1, 2)]


def test_wherever_it_is_killed_each_job_is_made_once_and_takes_effect_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.route.killed_route", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    lives = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(lives) > 30  # as many points there are at least
    for life in lives:
        assert life["again"], life
        assert (life["jobs"], life["done"]) == (STUDIES, True), life
        assert life["effects"] == {f"{step} {study}": 1 for study in STUDIES for step in range(len(STEPS))}, life
        assert life["order"] == [str(step) for step in range(len(STEPS))], life
        assert life["cursors"] == ["a:1", "1000.0"], life
    # A life repeats what was under way when the one before was killed, under the same names; no more than that.
    assert max(life["repeated"] for life in lives) in (1, 2)
