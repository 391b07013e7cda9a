"""watch: following the archive's changes."""

from __future__ import annotations

from typing import cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes
from diana_cli.session import Session
from diana_cli.text import json_line, plain_line
from diana_endpoints.protocol.archive import Watcher


@click.command("watch", epilog="Example: diana-cli watch --from-beginning --stop-at-head")
@click.option("--in", "endpoint", default="archive:", show_default=True, metavar="ENDPOINT", help="What to follow.")
@click.option("--from-beginning", is_flag=True, help="Show first what has happened so far.")
@click.option("--after", default="", metavar="POSITION", help="Show what happened after this position.")
@click.option("--stop-at-head", is_flag=True, help="End once all that has happened is shown.")
def watch(endpoint: str, from_beginning: bool, after: str, stop_at_head: bool) -> Stage:
    """Follow an archive's changes: what is stored, deleted, restored, complete. Ctrl-C ends it."""
    if from_beginning and after:
        raise click.UsageError("--from-beginning and --after exclude one another.")

    def run(session: Session, _: Flow | None) -> Flow:
        source = cast(Watcher, session.endpoint(endpoint, Watcher, "be followed"))
        yield from source.watch(after or ("" if from_beginning else None), stop_at_head)

    return Stage("watch", Takes.NOTHING, run, _show, endless=not stop_at_head)


def _show(session: Session, flow: Flow) -> None:
    for item in flow:
        session.echo(json_line(item) if session.json else plain_line(item))


COMMANDS = (watch,)
