"""docs/cli.md, typed word for word, prints what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from diana_cli.app import cli
from diana_cli.exits import MEANINGS
from tests.support import tour

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "cli.md"
_SERVICES = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


@pytest.mark.timeout(180)  # some twenty-five processes, one after another
def test_every_example_prints_what_it_says(tmp_path: Path) -> None:
    [services] = _SERVICES.findall(PAGE.read_text(encoding="utf-8"))
    (tmp_path / "services.yaml").write_text(services, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CHECKOUT": str(CHECKOUT), "LC_ALL": "C.UTF-8"}
    typed = [one for block in tour.blocks(PAGE) for one in block]
    script = "exec 2>&1 < /dev/null\n" + "\n".join(f"{command}\necho =====" for command, _ in typed)
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=150
    )
    printed = done.stdout.split("=====\n")
    assert len(printed) == len(typed) + 1
    for (command, expected), output in zip(typed, printed, strict=False):
        assert tour.plain(output) == tour.plain(expected), f"{command}\n{output}"


def test_the_page_names_every_global_option_and_every_exit_status() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`{option.envvar}`" in page for option in cli.params if option.envvar)
    assert all(f"| {status.value} | {meaning}" in page for status, meaning in MEANINGS.items())
