"""print: show items as they flow by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, required, show_nothing
from diana_cli.csv_lines import CsvLines
from diana_cli.session import Session
from diana_cli.text import clean, json_line, plain_line, tag_of
from diana_cli.words import Worded
from diana_endpoints.failures import failure_of
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Item

_FORMS = ("plain", "jsonl", "csv")


@click.command(
    "print",
    cls=Worded,
    epilog="Example: diana-cli dgetall path:/scans print -r Modality --limit 5\n\n"
    "Example: diana-cli dgetall path:/scans print csv -r PatientID -r path",
)
@click.argument("form", type=click.Choice(_FORMS), required=False, metavar="[plain|jsonl|csv]")
@click.option("-r", "--return", "names", multiple=True, metavar="NAME", help="Show only this; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), help="End the chain after so many items.")
def print_items(form: str | None, names: tuple[str, ...], limit: int | None) -> Stage:
    """Print each item, and hand it on: as a plain line, a line of JSON (as with --json), or CSV.

    What -r names is a value of the item or its metadata, else an attribute that is read from its header. CSV has the
    columns that are named, else those of the first item; cells that a spreadsheet would take for formulas begin with '.
    """

    def run(session: Session, flow: Flow | None) -> Flow:
        chosen = form or ("jsonl" if session.json else "plain")
        table = CsvLines(names)
        lines = _lines_of(chosen, names, table)
        for item in islice(required(flow), limit):
            if names:
                _read_header(item, names)
            if item.failure is None:
                for line in lines(item):
                    session.echo(line)
            yield item
        if chosen == "csv":
            for line in table.head():
                session.echo(line)
        if table.left_out:
            several = ", ".join(sorted(table.left_out)[:10])
            session.note(clean(f"print: later items have more than the first, left out here: {several}; name it by -r"))

    return Stage("print", Takes.ITEMS, run, show_nothing)


def _lines_of(form: str, names: Sequence[str], table: CsvLines) -> Callable[[Item], Iterable[str]]:
    if form == "csv":
        return table.of
    line = partial(json_line if form == "jsonl" else plain_line, names=names)
    return lambda item: (line(item),)


def _read_header(item: Item, names: Sequence[str]) -> None:
    """Read the header if it is needed for a value that the item does not carry.

    Raises DianaError INVALID_FIELD for a name that is no attribute.
    """
    needed = [name for name in names if name not in item.meta]
    if item.data is not None or not needed:
        return
    for name in needed:
        tag_of(name)
    try:
        fill_header(item)
    except Exception as error:  # whatever is wrong with one item's bytes is that item's failure
        item.failure = failure_of(error)


COMMANDS = (print_items,)
