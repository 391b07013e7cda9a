"""Examples of commands with what they print, out of the pages whose every line is typed by a test."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_PROGRAM = "diana-cli"


@dataclass(frozen=True)
class Example:
    """A command line as a page has it, and what it prints."""

    page: Path
    """From the project's root."""
    line: str
    output: str


def pages() -> list[Path]:
    """The pages that show what commands print, the README first."""
    written = [_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))]
    return [page for page in written if _BLOCK.search(page.read_text("utf-8"))]


def examples() -> list[Example]:
    """Every command line of ours that a page shows, in the pages' order."""
    return [one for page in pages() for one in _of_page(page)]


def example_of(path: str, among: Iterable[Example]) -> Example | None:
    """The shortest example of a command ("diana-cli find") or of one of its actions ("diana-cli cohort list").

    Where two are as short, the first; one that prints something comes before one that prints nothing.
    """
    words = path.split()[1:]
    fitting = (one for one in among if _runs(one.line, words))
    return min(fitting, key=lambda one: (not one.output.strip(), len(_words(one.line))), default=None)


def _of_page(page: Path) -> Iterator[Example]:
    for block in _BLOCK.findall(page.read_text("utf-8")):
        for typed in f"\n{block}".split("\n$ ")[1:]:
            line, _, output = typed.partition("\n")
            if _PROGRAM in line:
                yield Example(page.relative_to(_ROOT), line, output.rstrip("\n"))


def _runs(line: str, words: list[str]) -> bool:
    """Whether a line runs the command: its words follow one another, the first not as another's value."""
    typed = _words(line)
    length = len(words)
    return any(typed[place : place + length] == words for place in range(1, len(typed)))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line[line.index(_PROGRAM) :])
    except ValueError:
        return line.split()
