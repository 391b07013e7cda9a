"""watch: following the archive's changes."""

from __future__ import annotations

from typing import cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, show_lines
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_endpoints.protocol.archive import Watcher


@click.command("watch", epilog="Example: diana-cli watch --from-beginning --stop-at-head")
@in_option("archive:", "What to follow.")
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

    return Stage("watch", Takes.NOTHING, run, show_lines, endless=not stop_at_head)


COMMANDS = (watch,)
