"""Tables for people, drawn while items still flow: so many rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from rich.table import Table

from diana_cli.chain import Flow, show_json
from diana_cli.session import Session
from diana_cli.text import clean
from diana_endpoints.items import Item

_ROWS = 200
"""Rows of one table; a longer result goes on in another, so that memory stays flat."""

Column = tuple[str, Callable[[Item], object]]


def meta_column(title: str, key: str) -> Column:
    """A column of metadata."""
    return title, lambda item: item.meta.get(key, "")


def show_table(columns: Sequence[Column]) -> Callable[[Session, Flow], None]:
    """What draws a flow as tables with these columns; a line of JSON for each item where scripts read."""

    def show(session: Session, flow: Flow) -> None:
        if session.json:
            show_json(session, flow)
            return
        total = 0
        while rows := list(islice(flow, _ROWS)):
            total += len(rows)
            session.out.print(_table(columns, rows))
        if total == 0 and not session.failed:
            session.note("nothing found")

    return show


def _table(columns: Sequence[Column], rows: Sequence[Item]) -> Table:
    table = Table(header_style="bold", box=None, pad_edge=False)
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for item in rows:
        table.add_row(*(clean(value(item)) for _, value in columns))
    return table
