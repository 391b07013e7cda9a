"""key: attributes that are made searchable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import rich_click as click

from diana_cli.actions import Actions
from diana_cli.chain import Flow, Stage, Takes, show_nothing
from diana_cli.progress import progress_bar
from diana_cli.questions import LEVELS
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.words import Worded
from diana_endpoints.items import Item
from diana_endpoints.protocol.index import KeyKeeper

_KEYS: Sequence[Column] = (
    meta_column("Key", "key"),
    meta_column("Level", "level"),
    meta_column("VR", "vr"),
    ("Ready", lambda item: "yes" if item.meta["ready"] else "no"),
    meta_column("Made", "time"),
    meta_column("Path", "path"),
)
_STARTED: Sequence[Column] = (meta_column("Operation", "operation"),)
_FILLED: Sequence[Column] = (meta_column("Instances", "instance_count"), meta_column("With a value", "value_count"))

_IN = in_option("index:", "Who keeps it.")


@click.command(
    "create", cls=Worded, epilog="Example: diana-cli key create b_value '(0019,\"SIEMENS MR HEADER\",0C)' --vr IS"
)
@click.argument("name")
@click.argument("path")
@click.option(
    "--level", type=click.Choice(LEVELS), default="instance", show_default=True, help="Which records carry it."
)
@click.option("--vr", default="", help="The value representation; needed for private attributes.")
@click.option("--no-wait", is_flag=True, help="Start the work, and do not wait for its end.")
@_IN
def create(name: str, path: str, level: str, vr: str, no_wait: bool, endpoint: str) -> Stage:
    """Make an attribute searchable under a name.

    PATH: keywords or tags, joined by "." through sequences; a private one as (gggg,"CREATOR",ee). What is there
    already is read again; find may use the NAME when that is done. Ctrl-C ends the waiting, not the work.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        keeper = _keeper(session, endpoint)
        operation = keeper.start_key(name, path, level, vr)
        if no_wait:
            yield Item({"operation": operation, "outcome": "started"})
            return
        with progress_bar(session, "fill") as bar:
            done = list(keeper.await_work(operation, bar))
        yield from done

    return Stage("key create", Takes.NOTHING, run, show_table(_STARTED if no_wait else _FILLED))


@click.command("list", cls=Worded, epilog="Example: diana-cli key list")
@_IN
def list_keys(endpoint: str) -> Stage:
    """List the search keys by name."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _keeper(session, endpoint).search_keys()

    return Stage("key list", Takes.NOTHING, run, show_table(_KEYS))


@click.command("delete", cls=Worded, epilog="Example: diana-cli key delete b_value")
@click.argument("name")
@_IN
def delete(name: str, endpoint: str) -> Stage:
    """Forget a search key; what it was read from stays."""

    def run(session: Session, _: Flow | None) -> Flow:
        _keeper(session, endpoint).delete_key(name)
        yield from ()

    return Stage("key delete", Takes.ALONE, run, show_nothing)


def _keeper(session: Session, endpoint: str) -> KeyKeeper:
    return cast(KeyKeeper, session.endpoint(endpoint, KeyKeeper, "keep search keys"))


COMMANDS = (
    Actions(
        "key",
        (create, list_keys, delete),
        "Make any attribute searchable, private and nested ones too.",
        "Example: diana-cli key create slice_thickness SliceThickness --level series",
    ),
)
