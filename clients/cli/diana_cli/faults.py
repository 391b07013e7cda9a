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

    Items have an outcome: "faulty", with line, field and description, or "good".
    """

    def show(session: Session, flow: Flow) -> None:
        items = list(flow)
        faults = [item.meta for item in items if item.meta["outcome"] == "faulty"]
        session.failed += len(faults)
        if session.json:
            show_json(session, iter(items))
            return
        for fault in faults:
            where = ":".join(str(part) for part in (name, fault["line"]) if part)
            session.echo(clean(": ".join(part for part in (where, fault["field"], fault["description"]) if part)))
        if faults:
            session.note(f"{len(faults)} fault{'s' if len(faults) > 1 else ''}")
            return
        session.echo(clean(f"{name}: good, {good(items[0])}"))

    return show
