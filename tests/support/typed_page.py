"""A page's console blocks, typed in one shell, and what they must print."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support import tour

_END = "=====END====="
# A person is slower than the index; a script waits for it before the next command.
SETTLE = """
import json
from diana_client import ArchiveClient, IndexClient, connect
services = json.load(open("diana-state/mesh.json"))["services"]
archive, index = (connect(services[name]["address"]) for name in ("archive", "index"))
IndexClient(index).count("instance", at_least_position=ArchiveClient(archive).statistics().head_position)
"""


def script(commands: list[str], settle: Callable[[str], bool] = lambda _: True) -> str:
    """One shell's input: each command, and after it a mark and, where it changes something, a wait for the index."""
    wait = f"python -c '{SETTLE}'\n"
    return "exec 2>&1\n" + "\n".join(
        f"{command}\necho {_END}\n{wait if settle(command) else ''}" for command in commands
    )


def printed(output: str) -> list[str]:
    """What each command printed."""
    return output.split(f"{_END}\n")[:-1]


def at_ports(text: str, folder: Path) -> str:
    """A page's settings, with the ports that the mesh of a folder has instead of the usual ones."""
    services: Mapping[str, Mapping[str, str]] = json.loads((folder / "diana-state/mesh.json").read_text())["services"]
    usual = ("archive", "index", "guid", "anon", "notify", "dimse", "route")
    for number, name in enumerate(usual, 50061):
        text = text.replace(f"127.0.0.1:{number}", services[name]["address"])
    return text


def plain(text: str, folder: Path, *differing: tuple[str, str]) -> list[str]:
    """Lines without what differs from run to run: where the person is, and what `differing` says, pattern by word."""
    text = text.replace(str(folder), "/srv/diana")
    for pattern, word in differing:
        text = re.sub(pattern, word, text)
    return tour.plain(text)
