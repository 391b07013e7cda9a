"""The README's tour, typed word for word, prints what it says.

Only what must differ from run to run is taken as equal: ports, and what a freshly made key decides.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tour import README, blocks, plain, up

_SETTINGS = re.compile(r"```sh\n(mkdir -p diana-state/config\n.*?)```", re.DOTALL)
# A person is slower than index and notifier; a script between two commands waits for them instead.
_SETTLE = """
import json, time
from diana_client import ArchiveClient, IndexClient, NotifyClient, connect
services = json.load(open("diana-state/mesh.json"))["services"]
archive, index, notify = (connect(services[name]["address"]) for name in ("archive", "index", "notify"))
if head := ArchiveClient(archive).statistics().head_position:
    IndexClient(index).count("instance", at_least_position=head)
told = ArchiveClient(archive).statistics(store="deid").study_count
end = time.monotonic() + 60
while sum(one.attempt_count > 0 for one in NotifyClient(notify).deliveries()) < told and time.monotonic() < end:
    time.sleep(0.05)
"""


@pytest.mark.timeout(300)  # some forty processes, one after another
def test_the_tour_prints_what_it_says(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    first, *rest = blocks()
    assert [command for command, _ in first] == [". .venv/bin/activate", "diana-cli up"]
    typed = [one for block in rest for one in block if one[0] != ". .venv/bin/activate"]
    # One shell for all, as a person has; a line between the commands parts what they print.
    script = "\n".join(f"{command}\necho =====\npython -c '{_SETTLE}'" for command, _ in typed)
    [settings] = _SETTINGS.findall(README.read_text(encoding="utf-8"))
    subprocess.run(["bash", "-ec", settings], cwd=tmp_path, check=True)
    with up(tmp_path, environment, first[1][1]):
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )
    printed = done.stdout.split("=====\n")
    for (command, expected), output in zip(typed, printed, strict=False):
        assert plain(output) == plain(expected), f"{command}\n{output}\n{done.stderr}"
    assert len(list((tmp_path / "fetched").rglob("*.dcm"))) == 4
    assert len(list((tmp_path / "clean").rglob("*.dcm"))) == 17
