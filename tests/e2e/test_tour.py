"""docs/tour.md, typed word for word, prints what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import tour, typed_page

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "tour.md"
_SETTINGS = re.compile(r"```sh\n(mkdir -p diana-state/config .*?)(cat > services.yaml.*?)```", re.DOTALL)
_DIFFERING = (
    (r"(send to pacs) .*(jobs/)", r"\1  \2"),  # however often it was tried by then
    (r"(send to pacs: cancelled).*", r"\1"),
    (r"\bposition=[0-9a-f]{8}-", "position=EPOCH-"),
    (r"\b\d{4}-\d\d-\d\dT[\d:.]+Z?", "TIME"),
    (r"\b[0-9a-f]{12,64}\b", "DIGEST"),
)


@pytest.mark.timeout(300)  # some forty processes, one after another
def test_every_example_prints_what_it_says(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CHECKOUT": str(CHECKOUT)}
    [(settings, services)] = _SETTINGS.findall(PAGE.read_text("utf-8"))
    subprocess.run(["bash", "-ec", settings], cwd=tmp_path, check=True, env=environment)
    typed = [one for block in tour.blocks(PAGE) for one in block]
    with tour.up(tmp_path, environment, tour.blocks()[0][1][1]):
        subprocess.run(["bash", "-ec", typed_page.at_ports(services, tmp_path)], cwd=tmp_path, check=True)
        done = subprocess.run(
            ["bash", "-c", typed_page.script([command for command, _ in typed])],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
    printed = typed_page.printed(done.stdout)
    assert len(printed) == len(typed)
    for (command, expected), output in zip(typed, printed, strict=True):
        assert _plain(output, tmp_path) == _plain(expected, tmp_path), f"{command}\n{output}"


def _plain(text: str, folder: Path) -> list[str]:
    return typed_page.plain(text, folder, *_DIFFERING)
