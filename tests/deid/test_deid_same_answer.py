"""Two runs give the same bytes: in another process, with another hash seed, locale and time zone, fresh and resumed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.deid.profiles import PUBLIC

ROOT = Path(__file__).resolve().parents[2]
HERE = {"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC"}
ELSEWHERE = {"PYTHONHASHSEED": "4711", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"}


def _run(profile: str, how: str, settings: dict[str, str]) -> list[str]:
    environment = {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "tests.deid.digests", profile, how]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True)
    return ran.stdout.split()


def test_two_machines_settings_give_the_same_bytes() -> None:
    here = _run(PUBLIC, "whole", HERE)
    assert len(here) == len(set(here)) > 50
    assert _run(PUBLIC, "apart", ELSEWHERE) == here
