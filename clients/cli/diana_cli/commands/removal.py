"""delete and undelete."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, required, show_summary
from diana_cli.commands.transfer import wanted
from diana_cli.session import Session
from diana_endpoints.failures import failure_of, is_fatal
from diana_endpoints.items import Item
from diana_endpoints.protocol.archive import Deleter


def _selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that both share."""
    for option in (
        click.option("--instance", "sop_instance_uid", default="", metavar="UID", help="A SOP Instance UID."),
        click.option("--series", "series_uid", default="", metavar="UID", help="A Series Instance UID; needs --study."),
        click.option("--study", "study_uid", default="", metavar="UID", help="A Study Instance UID."),
        click.option("--in", "endpoint", default="archive:", show_default=True, metavar="ENDPOINT", help="Where."),
    ):
        command = option(command)
    return command


@click.command("delete", epilog="Example: diana-cli find -m PatientID=1CT1 delete --yes")
@_selection
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(endpoint: str, study_uid: str, series_uid: str, sop_instance_uid: str, yes: bool) -> Stage:
    """Delete instances, by UID or those that the items before name.

    They are hidden at once; until the store's grace period ends, undelete brings them back.
    """
    named = wanted(study_uid, series_uid, sop_instance_uid)

    def run(session: Session, flow: Flow | None) -> Flow:
        if not yes:
            _confirm(named)
        target = cast(Deleter, session.endpoint(endpoint, Deleter, "delete"))
        yield from _apply(target.delete, "deleted", named, flow)

    return Stage("delete", Takes.NOTHING if named else Takes.ITEMS, run, show_summary)


@click.command("undelete", epilog="Example: diana-cli undelete --study 1.2.826.0.1.3680043.8.498.1")
@_selection
def undelete(endpoint: str, study_uid: str, series_uid: str, sop_instance_uid: str) -> Stage:
    """Bring back deleted instances, by UID or those that the items before name."""
    named = wanted(study_uid, series_uid, sop_instance_uid)

    def run(session: Session, flow: Flow | None) -> Flow:
        target = cast(Deleter, session.endpoint(endpoint, Deleter, "undelete"))
        yield from _apply(target.undelete, "restored", named, flow)

    return Stage("undelete", Takes.NOTHING if named else Takes.ITEMS, run, show_summary)


def _confirm(named: Item | None) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("delete asks before it deletes, and nobody is there to answer: give --yes.")
    click.confirm(f"Delete {named.name if named else 'all that the commands before name'}?", abort=True, err=True)


def _apply(act: Callable[[Item], int], outcome: str, named: Item | None, flow: Flow | None) -> Flow:
    for item in iter([named]) if named else required(flow):
        try:
            item.meta |= {"outcome": outcome, "instances": act(item)}
        except Exception as error:
            if is_fatal(error):
                raise
            item.failure = failure_of(error)
        yield item


COMMANDS = (delete, undelete)
