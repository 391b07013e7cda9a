"""docs/collect.md, typed word for word, prints what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import tour
from tests.support.typed_page import plain, printed, script

PAGE = Path(__file__).resolve().parents[2] / "docs" / "collect.md"
_SETTINGS = re.compile(r"```sh\n(mkdir -p diana-state/config\n.*?)```", re.DOTALL)
_DIFFERING = (r"operations/[0-9a-z-]+", "OPERATION"), (r" +", " ")


@pytest.mark.timeout(300)
def test_every_example_prints_what_it_says(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    [settings] = _SETTINGS.findall(PAGE.read_text("utf-8"))
    subprocess.run(["bash", "-ec", settings], cwd=tmp_path, env=environment, check=True)
    first, *rest = tour.blocks(PAGE)
    typed = [one for block in rest for one in block]
    typing = script([command for command, _ in typed], settle=lambda _: False)
    with tour.up(tmp_path, environment, first[0][1]):
        done = subprocess.run(
            ["bash", "-c", typing], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )
    told = printed(done.stdout)
    assert len(told) == len(typed)
    for (command, expected), output in zip(typed, told, strict=True):
        assert plain(output, tmp_path, *_DIFFERING) == plain(expected, tmp_path, *_DIFFERING), f"{command}\n{output}"
