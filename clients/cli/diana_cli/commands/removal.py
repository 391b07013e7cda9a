"""delete and undelete."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, of_each, show_summary
from diana_cli.selection import either, placed, source_of, uid_options, wanted
from diana_cli.session import Session
from diana_cli.words import Worded
from diana_endpoints.items import Item
from diana_endpoints.protocol.archive import Restorer
from diana_endpoints.protocol.items import Deleter


@click.command(
    "delete",
    cls=Worded,
    epilog="Example: diana-cli find -m PatientID=1CT1 delete --yes\n\nExample: diana-cli delete redis: my_key --yes",
)
@placed("--in")
@uid_options
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(
    source: str | None,
    items: list[str] | None,
    endpoint: str,
    study_uid: str,
    series_uid: str,
    sop_instance_uid: str,
    yes: bool,
) -> Stage:
    """Delete items by id or UID, or those that the items before name.

    An archive hides its instances at once; until the store's grace period ends, undelete brings them back.
    """
    place = source_of(source, endpoint)
    named = wanted(study_uid, series_uid, sop_instance_uid, items)

    def run(session: Session, flow: Flow | None) -> Flow:
        if not yes:
            confirm(named)
        target = cast(Deleter, session.endpoint(place, Deleter, "delete"))
        yield from apply(target.delete, "deleted", either(named, flow))

    return Stage("delete", Takes.ITEMS if named is None else Takes.NOTHING, run, show_summary)


@click.command("undelete", cls=Worded, epilog="Example: diana-cli undelete --study 1.2.826.0.1.3680043.8.498.1")
@placed("--in")
@uid_options
def undelete(
    source: str | None,
    items: list[str] | None,
    endpoint: str,
    study_uid: str,
    series_uid: str,
    sop_instance_uid: str,
) -> Stage:
    """Bring back deleted instances, by UID or those that the items before name."""
    place = source_of(source, endpoint)
    named = wanted(study_uid, series_uid, sop_instance_uid, items)

    def run(session: Session, flow: Flow | None) -> Flow:
        target = cast(Restorer, session.endpoint(place, Restorer, "undelete"))
        yield from apply(target.undelete, "restored", either(named, flow))

    return Stage("undelete", Takes.ITEMS if named is None else Takes.NOTHING, run, show_summary)


def confirm(named: Sequence[Item] | None) -> None:
    """Ask whether to delete. Raises click.UsageError, with the remedy, where nobody can answer."""
    if not sys.stdin.isatty():
        raise click.UsageError("delete asks before it deletes, and nobody is there to answer: give --yes.")
    what = "all that the commands before name"
    if named is not None:
        what = named[0].name if len(named) == 1 and "id" not in named[0].meta else f"{len(named)} by id"
    click.confirm(f"Delete {what}?", abort=True, err=True)


def apply(act: Callable[[Item], int], outcome: str, items: Flow) -> Flow:
    """Do something to each item; how many that were is `meta["instances"]`. One that fails does not keep the rest."""

    def done(item: Item) -> Iterator[Item]:
        item.meta |= {"outcome": outcome, "instances": act(item)}
        yield item

    return of_each(items, done)


COMMANDS = (delete, undelete)
