"""print: show items as they flow by."""

from __future__ import annotations

from itertools import islice

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, required, show_nothing
from diana_cli.session import Session
from diana_cli.text import attribute, json_line, plain_line
from diana_endpoints.failures import failure_of
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Item


@click.command("print", epilog="Example: diana-cli dgetall path:/scans print -r Modality --limit 5")
@click.option("-r", "--return", "names", multiple=True, metavar="ATTRIBUTE", help="Show only this; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), help="End the chain after so many items.")
def print_items(names: tuple[str, ...], limit: int | None) -> Stage:
    """Print each item, and hand it on.

    With --json a line of JSON each. Attributes named with -r are read from the item's header.
    """
    for name in names:
        attribute(Item(), name)  # a name that is none is told of before anything runs

    def run(session: Session, flow: Flow | None) -> Flow:
        line = json_line if session.json else plain_line
        for item in islice(required(flow), limit):
            if names:
                _read_header(item)
            if item.failure is None:
                session.echo(line(item, names))
            yield item

    return Stage("print", Takes.ITEMS, run, show_nothing)


def _read_header(item: Item) -> None:
    try:
        fill_header(item)
    except Exception as error:  # whatever is wrong with one item's bytes is that item's failure
        item.failure = failure_of(error)


COMMANDS = (print_items,)
