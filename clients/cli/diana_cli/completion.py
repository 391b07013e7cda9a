"""What a shell completes: verbs, options and values (click's own), and endpoints. Nothing is contacted or written."""

from __future__ import annotations

import contextlib
import os
from itertools import islice
from pathlib import Path

import rich_click as click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

from diana_cli.session import Session
from diana_endpoints.registry import ctype_of_prefix, kind, prefixes

_MOST_FILES = 500
"""Names of one folder that are offered."""


@add_completion_class
class Bash(BashComplete):
    """click's, for words with colons: bash breaks `path:/data` into three, and completes the last of them.

    Here the words are those of the line, and of a completion only what follows the last colon is handed to bash.
    """

    source_template = BashComplete.source_template.replace(
        "COMP_CWORD=$COMP_CWORD",
        'COMP_CWORD=$COMP_CWORD COMP_LINE="${COMP_LINE:0:${COMP_POINT:-0}}" COMP_WORDBREAKS="$COMP_WORDBREAKS"',
    ).replace("COMPREPLY+=($value)", 'COMPREPLY+=("$value")\n            [[ $value == *[:/] ]] && compopt -o nospace')

    _done = ""
    """The part of the word that bash holds for done."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one to be completed, and that one as far as it is typed."""
        line = os.environ.get("COMP_LINE", "")
        if not line:
            return super().get_completion_args()
        words = split_arg_string(line)
        incomplete = words.pop() if words and not line[-1].isspace() else ""
        if ":" in os.environ.get("COMP_WORDBREAKS", ":"):
            self._done = incomplete[: incomplete.rfind(":") + 1]
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        """A line for the script."""
        return f"{item.type},{item.value.removeprefix(self._done)}"


def endpoints(ctx: click.Context, incomplete: str) -> list[str]:
    """The endpoints that begin so: services that are described, prefixes of URLs, and files behind such a prefix."""
    known = [*_services(ctx), *(f"{prefix}:" for prefix in prefixes())]
    return [one for one in [*known, *_files(incomplete)] if one.startswith(incomplete) and one.isprintable()]


def _services(ctx: click.Context) -> list[str]:
    given = ctx.find_root().params
    session = Session(given.get("services") or "", *([given["state"]] if given.get("state") else []))
    with contextlib.suppress(Exception):  # what is wrong with services YAML is told when it is used
        return list(session.services.entries)
    return []


def _files(incomplete: str) -> list[str]:
    prefix, colon, typed = incomplete.partition(":")
    ctype = ctype_of_prefix(prefix) if colon else None
    with contextlib.suppress(Exception):  # a kind that cannot be loaded, a folder that cannot be read
        if ctype and kind(ctype).setting == "path":
            folder, begun = os.path.split(typed)
            with os.scandir(Path(folder or ".").expanduser()) as entries:
                names = sorted(
                    f"{entry.name}/" if entry.is_dir() else entry.name
                    for entry in islice(entries, _MOST_FILES)
                    if entry.name.startswith(begun)
                )
            return [f"{prefix}:{typed[: len(typed) - len(begun)]}{name}" for name in names]
    return []
