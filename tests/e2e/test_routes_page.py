"""docs/routes.md, typed word for word, prints what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import tour

PAGE = Path(__file__).resolve().parents[2] / "docs" / "routes.md"
_SETTINGS = re.compile(r"```sh\n(mkdir -p diana-state/config .*?)```", re.DOTALL)
# A person is slower than rules; a script waits until the copy's job, which comes last, has ended.
_SETTLE = """
import json, time
from diana.route.v1 import route_service_pb2 as pb
from diana_client import RouteClient, connect
address = json.load(open("diana-state/mesh.json"))["services"]["route"]["address"]
route, end = RouteClient(connect(address)), time.monotonic() + 60
while time.monotonic() < end:
    if any(job.rule == "ct-copies" and job.state == pb.Job.STATE_DONE for job in route.jobs()):
        break
    time.sleep(0.05)
"""


def _plain(text: str, room: Path) -> list[str]:
    """Without what differs from run to run: here where the person is, and what jobs are called."""
    return tour.plain(re.sub(r"\bjobs/[0-9a-z-]+", "JOB", text.replace(str(room), "/srv/diana")))


@pytest.mark.timeout(300)
def test_every_example_prints_what_it_says(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    [settings] = _SETTINGS.findall(PAGE.read_text("utf-8"))
    subprocess.run(["bash", "-ec", settings], cwd=tmp_path, check=True)
    first, *rest = tour.blocks(PAGE)
    typed = [one for block in rest for one in block]
    script = "exec 2>&1\n" + "\n".join(
        f"{command}\necho =====\n" + (f"python -c '{_SETTLE}'" if "monday.zip" in command else "")
        for command, _ in typed
    )
    with tour.up(tmp_path, environment, first[0][1]):
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )
    printed = done.stdout.split("=====\n")
    assert len(printed) == len(typed) + 1
    for (command, expected), output in zip(typed, printed, strict=False):
        assert _plain(output, tmp_path) == _plain(expected, tmp_path), f"{command}\n{output}"
