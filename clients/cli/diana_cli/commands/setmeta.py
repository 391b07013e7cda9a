"""setmeta and update: changing what an item carries, and what an endpoint keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, of_each, required, show_lines
from diana_cli.params import ARRAY, ENDPOINT, MAPPING
from diana_cli.selection import KWARGS, either, with_ids
from diana_cli.session import Session
from diana_cli.words import Worded
from diana_endpoints.protocol.items import Updater


@click.command(
    "setmeta",
    cls=Worded,
    epilog="Example: diana-cli dgetall path:/incoming setmeta '{trial: hobit, site: site1}' put archive:",
)
@click.argument("changes", type=MAPPING, metavar="MAPPING")
def setmeta(changes: dict[str, Any]) -> Stage:
    """Set metadata of each item as it flows by; null takes a value away.

    The verbs that follow see it: templates of messages, print, put. What an item that is data says by such a name, as
    a row of a table or a value of a key does, is changed too; the bytes of a DICOM instance never are.
    """

    def run(_: Session, flow: Flow | None) -> Flow:
        for item in required(flow):
            item.meta = _changed(item.meta, changes)
            if item.data is not None:
                said = {name: told for name, told in changes.items() if name in item.data}
                item.data = _changed(item.data, said)
            yield item

    return Stage("setmeta", Takes.ITEMS, run, show_lines)


@click.command("update", cls=Worded, epilog="""Example: diana-cli update redis: '{"status": "read"}' my_key""")
@click.argument("endpoint", type=ENDPOINT)
@click.argument("changes", type=MAPPING, metavar="MAPPING")
@click.argument("items", type=ARRAY, required=False, metavar="[ITEMS]")
@KWARGS
def update(endpoint: str, changes: dict[str, Any], items: list[str] | None, more: dict[str, Any] | None) -> Stage:
    """Change what an endpoint keeps of items, by id or as the items before name them; null takes a value away."""
    named = None if items is None else with_ids(items, more)

    def run(session: Session, flow: Flow | None) -> Flow:
        target = cast(Updater, session.endpoint(endpoint, Updater, "be updated"))
        yield from update_each(target, either(named, flow, more), changes)

    return Stage("update", Takes.ITEMS if named is None else Takes.NOTHING, run, show_lines)


def update_each(target: Updater, items: Flow, changes: Mapping[str, Any]) -> Flow:
    """Each item as it is then; one that fails does not keep the rest."""
    return of_each(items, lambda item: [target.update(item, changes)])


def _changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told for name, told in {**values, **changes}.items() if told is not None or name not in changes}


COMMANDS = (setmeta, update)
