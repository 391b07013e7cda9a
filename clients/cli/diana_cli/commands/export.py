"""export: writing what the index finds as one table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, show_json
from diana_cli.questions import make_query, question_options
from diana_cli.session import Session
from diana_endpoints.items import Item
from diana_endpoints.protocol.index import Exporter

_OPTIONS = (
    click.option(
        *("-o", "--out", "--output", "output"),
        type=click.Path(path_type=Path, dir_okay=False),
        help="Standard output by default.",
    ),
    click.option(
        "--order",
        "order_by",
        multiple=True,
        metavar="ATTRIBUTE",
        help="Sort by it; from the greatest with a - before it.",
    ),
    click.option(
        "--columns",
        default="",
        metavar="ATTRIBUTE,...",
        help="Write these, with a comma between them; age and search keys too. The level's usual ones by default.",
    ),
    click.option(
        "--format",
        "file_format",
        type=click.Choice(("csv", "jsonl", "parquet")),
        default="csv",
        show_default=True,
        help="What to write.",
    ),
)


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a table that is written."""
    for option in _OPTIONS:
        command = option(command)
    return command


@click.command(
    "export", epilog="Example: diana-cli export --level series -m Modality=CT --format parquet -o ct.parquet"
)
@question_options
@table_options
def export(
    endpoint: str, file_format: str, columns: str, order_by: Sequence[str], output: Path | None, **asked: Any
) -> Stage:
    """Write all records that find would find to a file: as they are at one moment, however many."""
    query = make_query(**asked, names=column_names(columns), order_by=order_by)

    def run(session: Session, _: Flow | None) -> Flow:
        source = cast(Exporter, session.endpoint(endpoint, Exporter, "export tables"))
        source.export(query, file_format, output or sys.stdout.buffer)
        yield from exported(output)

    return Stage("export", Takes.ALONE, run, show_exported)


def column_names(columns: str) -> list[str]:
    """What `--columns` names."""
    return [one.strip() for one in columns.split(",") if one.strip()]


def exported(output: Path | None) -> Flow:
    """What there is to say of a table that was written to a file; nothing of one that went to standard output."""
    if output:
        yield Item({"outcome": "exported", "path": str(output), "bytes": output.stat().st_size})


def show_exported(session: Session, flow: Flow) -> None:
    """How large the file is."""
    if session.json:
        show_json(session, flow)
        return
    for item in flow:
        session.note(f"{item.meta['bytes']:,} bytes written")


COMMANDS = (export,)
