"""A page's tour: its commands with what it says that they print, what may differ, and the mesh that they need."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_DIFFERING = (
    (r"127\.0\.0\.1:\d+ *", "ADDRESS  "),
    (r"\b[A-Z2-7]{32}\b", "ID"),
    (r"\b[A-Z']+( [A-Z']+)*\^[A-Z']+( [A-Z']+)*\^[A-Z]?\b", "NAME"),
    (r"(ID +NAME +)-?\d+", r"\1OFFSET"),
    (r"\b2\.25\.\d+", "UID"),
    (r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\bdeliveries/[0-9a-f]{32}", "DELIVERY"),
)


def blocks(page: Path = README) -> list[list[tuple[str, str]]]:
    """Each console block's commands with what they print."""
    return [
        [(command.split("\n", 1)[0], command.partition("\n")[2]) for command in f"\n{text}".split("\n$ ")[1:]]
        for text in _BLOCK.findall(page.read_text(encoding="utf-8"))
    ]


def plain(text: str) -> list[str]:
    """Lines without ports, times, what a key or chance decides, and the widths of columns that these decide."""
    for pattern, name in _DIFFERING:
        text = re.sub(pattern, name, text)
    return [re.sub(r" {2,}", "  ", line.rstrip()) for line in text.splitlines() if line.strip()]


@contextmanager
def up(folder: Path, environment: dict[str, str], expected: str) -> Iterator[None]:
    """The tour's mesh, on free ports because others may use the usual ones."""
    process = subprocess.Popen(
        ["diana-cli", "up", "--free-ports"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in plain(expected)]
        assert plain("".join(printed)) == plain(expected)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
