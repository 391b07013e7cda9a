"""What is wrong with a text that a service would be given: read from its file, told line by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diana_cli.chain import Flow, show_json
from diana_cli.session import Session
from diana_cli.text import clean
from diana_common.errors import invalid_field
from diana_endpoints.items import Item

_MOST_BYTES = 1024 * 1024


def read_text(file: Path, what: str) -> bytes:
    """A file's text. Raises DianaError INVALID_FIELD, naming `what`, for an empty one and for more than 1 MiB."""
    with file.open("rb") as stream:
        text = stream.read(_MOST_BYTES + 1)
    if not 0 < len(text) <= _MOST_BYTES:
        raise invalid_field(what, "is empty, or has more than 1 MiB")
    return text


def show_faults(name: str, good: Callable[[Item], str]) -> Callable[[Session, Flow], None]:
    """What draws a file's faults, each with its line, and counts them as failed; `good` tells of a file without any.

    Items have an outcome: "faulty" or "warning", with line, field and description; or "good".
    """

    def show(session: Session, flow: Flow) -> None:
        items = list(flow)
        count = sum(item.meta["outcome"] == "faulty" for item in items)
        session.failed += count
        if session.json:
            show_json(session, iter(items))
            return
        for item in items:
            session.echo(clean(f"{name}: good, {good(item)}" if item.meta["outcome"] == "good" else _line(name, item)))
        if count:
            session.note(f"{count} fault{'s' if count > 1 else ''}")

    return show


def _line(name: str, item: Item) -> str:
    told = item.meta
    where = ":".join(str(part) for part in (name, told["line"]) if part)
    warning = "warning" if told["outcome"] == "warning" else ""
    return ": ".join(part for part in (where, warning, told["field"], told["description"]) if part)
