"""docs/endpoints.md: its tour, typed word for word, prints what it says; its table has every kind there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from diana_endpoints.registry import ctype_of_prefix, ctypes, kind, prefixes
from tests.support import orthanc, redis_server, tour
from tests.support.typed_page import plain, printed, script

PAGE = Path(__file__).resolve().parents[2] / "docs" / "endpoints.md"
OWN = "## A kind of one's own"
"""What begins the part that test_third_party_endpoint.py types."""
_SERVICES = re.compile(r"```sh\n(cat > services.yaml.*?)```", re.DOTALL)
_ROW = re.compile(r"^\| `([a-z]+)` \| (.*?) \|", re.MULTILINE)
_URL = re.compile(r"`([a-z]+)(?:\+https)?:[^`]*`")
_DIFFERING = (
    (r"localhost:\d+", "localhost:PORT"),
    (r"Orthanc [\d.]+:", "Orthanc VERSION:"),
    (r"\d[\d,]* bytes", "SIZE bytes"),
    (r" +(?=\n)", ""),
)


def test_the_table_has_every_kind_and_every_prefix() -> None:
    named = {ctype: _URL.findall(urls) for ctype, urls in _rows()}
    assert sorted(named) == ctypes()
    assert {prefix for urls in named.values() for prefix in urls} == set(prefixes())
    assert all(ctype_of_prefix(prefix) == ctype for ctype, urls in named.items() for prefix in urls)


def test_the_table_says_of_which_kinds_there_is_an_address_by_name() -> None:
    """What can stand alone, as `orthanc:` does, and what needs more, as `path:DIR` does."""
    alone = {ctype for ctype, urls in _rows() if f"`{ctype}:`" in urls}
    assert {ctype for ctype in ctypes() if kind(ctype).mesh} < alone
    assert all(kind(ctype).mesh or kind(ctype).read_url for ctype in alone)


@orthanc.needs_orthanc
@pytest.mark.timeout(300)  # some twenty processes, one after another
def test_the_tour_prints_what_it_says(tmp_path: Path) -> None:
    part = tmp_path / "part.md"
    part.write_text(PAGE.read_text("utf-8").partition(OWN)[0], "utf-8")
    typed = [one for block in tour.blocks(part) for one in block]
    [services] = _SERVICES.findall(part.read_text("utf-8"))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    (tmp_path / "orthanc").mkdir()
    with orthanc.serving(tmp_path / "orthanc") as pacs, redis_server.serving() as redis:
        port = redis.rpartition(":")[2].partition("/")[0]
        services = services.replace("port: 8042", f"port: {pacs.port}").replace("port: 6379", f"port: {port}")
        shell = ["bash", "-c", services + script([command for command, _ in typed], settle=lambda _: False)]
        done = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    for (command, expected), output in zip(typed, printed(done.stdout), strict=True):
        assert plain(output, tmp_path, *_DIFFERING) == plain(expected, tmp_path, *_DIFFERING), f"{command}\n{output}"


def _rows() -> list[tuple[str, str]]:
    """Of each kind in the table, the URLs."""
    return _ROW.findall(PAGE.read_text("utf-8").partition("|---|")[2].partition("\n## ")[0])
