"""collect: lists of studies, pulled from a source at a polite rate, and delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import rich_click as click

from diana_cli.actions import Actions
from diana_cli.chain import Flow, Stage, Takes, required
from diana_cli.key_files import write_private
from diana_cli.key_tables import Row, key_table, sham_rows
from diana_cli.progress import progress_bar
from diana_cli.selection import array_option, in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.words import Worded
from diana_common.errors import invalid_field
from diana_endpoints.items import Item
from diana_endpoints.protocol.anon import Reidentifier
from diana_endpoints.protocol.archive import Marked
from diana_endpoints.protocol.collect import STATES, Collector, Order

_COLLECTION: Sequence[Column] = (
    meta_column("Operation", "operation"),
    meta_column("State", "outcome"),
    meta_column("Studies", "items"),
    meta_column("Delivered", "delivered"),
    meta_column("Failed", "failed"),
    meta_column("Instances", "delivered_instances"),
    meta_column("Waits for", "waiting_for"),
)
_ITEMS: Sequence[Column] = (
    meta_column("Item", "item"),
    meta_column("Accession number", "accession_number"),
    meta_column("Study Instance UID", "study_uid"),
    meta_column("State", "state"),
    meta_column("Instances", "retrieved"),
    ("Confirmed", lambda item: "yes" if item.meta["confirmed"] else ""),
    ("Tried", lambda item: item.meta["attempts"] or ""),
    meta_column("Reason", "reason"),
    meta_column("Why", "last_error"),
)
_WRITTEN: Sequence[Column] = (meta_column("Operation", "operation"), meta_column("Studies", "studies"))

_IN = in_option("route:", "Who collects.")
_REASON = click.option(
    "--reason", default="", metavar="TEXT", help="Why you ask who is who; logged where studies were de-identified."
)
_DOMAIN = click.option("--domain", default="", help="Where pseudonyms were minted; default: default.")


@click.command("start", cls=Worded, epilog="Example: diana-cli collect --from pacs --accession @list.txt --to archive:")
@click.option("--from", "source", required=True, metavar="PLACE", help="A DICOM peer's name, or endpoint:NAME.")
@click.option(
    "--to", "destination", required=True, metavar="PLACE", help="archive:STORE, a peer's name, endpoint:NAME."
)
@array_option("--accession", "accession_numbers", told="Accession numbers")
@array_option("--study", "study_uids", told="Study Instance UIDs")
@click.option("--cohort", default="", help="A cohort of the index, by its id.")
@click.option("--anonymize", "profile", metavar="PROFILE", help="De-identify by this profile: default, or another.")
@click.option(
    "--into", "result_store", default="", metavar="STORE", help="Where de-identified studies stay that go on elsewhere."
)
@click.option(
    *("--rate", "studies_per_minute"),
    type=click.FloatRange(0, 6000),
    default=0.0,
    metavar="N",
    help="At most so many studies a minute.",
)
@click.option(
    *("--instances", "instances_per_second"),
    type=click.FloatRange(0, 100_000),
    default=0.0,
    metavar="N",
    help="At most so many a second.",
)
@click.option("--hours", multiple=True, metavar="SPAN", help="When: 19:00-06:30; may be repeated.")
@click.option("--time-zone", default="", metavar="ZONE", help="Of the hours: Europe/Berlin; default: the service's.")
@click.option(
    "--name", default="", help="The same name, list and places once more is the same collection, gone on with."
)
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), help="Write the key table to this new file.")
@_REASON
@_DOMAIN
@click.option("--no-wait", is_flag=True, help="Return at once, with the operation's name.")
@_IN
def start(
    endpoint: str, key: Path | None, reason: str, domain: str, no_wait: bool, study_uids: tuple[str, ...], **asked: Any
) -> Stage:
    """Pull studies from a source, de-identify them if told, and deliver them; those named, or of the items before.

    One study after the other, at the rate and in the hours that are given. What cannot be had is told with its reason;
    collect status OPERATION lists all, collect retry OPERATION tries again, collect key OPERATION FILE writes who is
    who. Ctrl-C ends the waiting, not the work: collect cancel OPERATION does.
    """
    if key and no_wait:
        raise click.UsageError("--key needs the end: use collect key OPERATION FILE when it has come.")
    if asked["profile"] == "":
        raise click.UsageError("--anonymize needs a profile: --anonymize default.")
    _check_key(key)
    named = _named(asked["accession_numbers"], study_uids, asked["cohort"])

    def run(session: Session, flow: Flow | None) -> Flow:
        collector = _collector(session, endpoint)
        order = Order(study_uids=study_uids if named else _studies(required(flow)), **asked)
        operation = collector.start_collection(order)
        if no_wait:
            yield collector.collection(operation)
            return
        session.note(f"{operation}: diana-cli collect status {operation} tells how far it is")
        first, rest = _awaited(session, collector, operation)
        if key:
            _write_key(session, collector, operation, key, reason, domain)
        yield first
        yield from rest

    return Stage("collect", Takes.NOTHING if named else Takes.ITEMS, run, show_table(_COLLECTION))


@click.command("status", cls=Worded, epilog="Example: diana-cli collect status operations/route-0f3a --state failed")
@click.argument("operation")
@click.option("--state", type=click.Choice(STATES), help="Only items in this state.")
@click.option("--counts", is_flag=True, help="Only how many there are in all.")
@_IN
def status(operation: str, state: str | None, counts: bool, endpoint: str) -> Stage:
    """Tell what became of each item of a collection. Accession numbers are shown."""

    def run(session: Session, _: Flow | None) -> Flow:
        collector = _collector(session, endpoint)
        if counts:
            yield collector.collection(operation)
        else:
            yield from collector.collected_items(operation, state or "")

    return Stage("collect status", Takes.NOTHING, run, show_table(_COLLECTION if counts else _ITEMS))


@click.command("retry", cls=Worded, epilog="Example: diana-cli collect retry operations/route-0f3a")
@click.argument("operation")
@click.option("--no-wait", is_flag=True, help="Return at once, with the operation's name.")
@_IN
def retry(operation: str, no_wait: bool, endpoint: str) -> Stage:
    """Have what failed of a collection tried again, or what was left when it was cancelled."""

    def run(session: Session, _: Flow | None) -> Flow:
        collector = _collector(session, endpoint)
        again = collector.retry_collection(operation)
        if no_wait:
            yield collector.collection(again)
            return
        first, rest = _awaited(session, collector, again)
        yield first
        yield from rest

    return Stage("collect retry", Takes.ALONE, run, show_table(_COLLECTION))


@click.command("cancel", cls=Worded, epilog="Example: diana-cli collect cancel operations/route-0f3a")
@click.argument("operation")
@_IN
def cancel(operation: str, endpoint: str) -> Stage:
    """End a collection where it is. What it staged is deleted; what it delivered stays; collect retry goes on with it.

    Fails where it has ended.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield _collector(session, endpoint).cancel_collection(operation)

    return Stage("collect cancel", Takes.ALONE, run, show_table(_COLLECTION))


@click.command(
    "key", cls=Worded, epilog="Example: diana-cli collect key operations/route-0f3a key.csv --reason 'trial 17, audit'"
)
@click.argument("operation")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_REASON
@_DOMAIN
@_IN
def key(operation: str, file: Path, reason: str, domain: str, endpoint: str) -> Stage:
    """Write the key table of a collection to a new FILE that only you may read: who each study is of.

    Where studies were de-identified it says what they became, which the crosswalk is asked for: that needs a token
    which may re-identify (`token_file` in services YAML), and a --reason, which is logged.
    """
    _check_key(file)

    def run(session: Session, _: Flow | None) -> Flow:
        yield _write_key(session, _collector(session, endpoint), operation, file, reason, domain)

    return Stage("collect key", Takes.ALONE, run, show_table(_WRITTEN))


def _collector(session: Session, endpoint: str) -> Collector:
    return cast(Collector, session.endpoint(endpoint, Collector, "collect"))


def _awaited(session: Session, collector: Collector, operation: str) -> tuple[Item, Iterator[Item]]:
    """What there is to say when it has ended: the first of it, and the rest."""
    with progress_bar(session, "collect") as bar:
        told = collector.await_work(operation, bar)
        return next(told), told


def _named(*selections: Any) -> bool:
    """Whether the options name studies. Raises click.UsageError for those that exclude one another."""
    count = sum(map(bool, selections))
    if count > 1:
        raise click.UsageError("--accession, --study and --cohort exclude one another.")
    return bool(count)


def _studies(items: Flow) -> Sequence[str]:
    """The studies of the items before. Raises DianaError INVALID_FIELD if there are none."""
    found = dict.fromkeys(str(item.meta.get("study_uid") or "") for item in items)
    found.pop("", None)
    if not found:
        raise invalid_field("items", "name no study; --accession, --study or --cohort name some")
    return list(found)


def _check_key(file: Path | None) -> None:
    if file and file.exists():
        raise click.UsageError("The key table's file is there already; it is never written over.")


def _write_key(session: Session, collector: Collector, operation: str, file: Path, reason: str, domain: str) -> Item:
    """Write the table. Nothing is written where who is who is not told."""
    told = collector.collection(operation).meta
    shams: Mapping[str, Row] = {}
    if told["mark"]:
        if not reason:
            raise invalid_field("--reason", "is required: asking what studies have become is logged with it")
        made = cast(Marked, session.endpoint(f"archive:{told['result_store']}", Marked, "list marked studies"))
        knows = cast(Reidentifier, session.endpoint("anon:", Reidentifier, "tell who pseudonyms stand for"))
        shams = sham_rows(made, knows, told["mark"], reason, domain)
    studies = list(collector.source_studies(operation))
    write_private(file, key_table(studies, shams))
    return Item({"operation": operation, "studies": len(studies), "outcome": "written"})


class _Collect(Actions):
    """`collect` with options starts a collection, as `collect start` does; with another action first, it does that."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the action that the first word names, else of starting one."""
        if args and args[0].startswith("-") and args[0] not in ("-h", "--help"):
            return start.make_context(f"{info_name} start", args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


COMMANDS = (
    _Collect(
        "collect",
        (start, status, retry, cancel, key),
        "Pull lists of studies from a source at a polite rate, and deliver them. With options only, it starts.",
        "Example: diana-cli collect --from pacs --accession @list.txt --to archive:trial --anonymize default",
    ),
)
