"""peers, associations, echo, find-at, pull, push: dealing with DICOM peers, a PACS for example."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, required
from diana_cli.commands.query import record_columns
from diana_cli.progress import progress_bar
from diana_cli.questions import LEVELS, parse_matches
from diana_cli.selection import array_option, in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.words import Worded
from diana_common.errors import invalid_field
from diana_endpoints.failures import failure_of
from diana_endpoints.items import Item
from diana_endpoints.protocol.dimse import Parcel, PeerUser, Wanted

_TOGETHER = 10_000
"""Studies or instances of one operation, which takes no more."""

_PEERS: Sequence[Column] = (
    meta_column("Peer", "peer"),
    meta_column("AE title", "ae_title"),
    meta_column("Address", "address"),
    ("TLS", lambda item: "yes" if item.meta["tls"] else "no"),
)
_ASSOCIATIONS: Sequence[Column] = (
    meta_column("Since", "since"),
    meta_column("Calling", "calling_ae_title"),
    meta_column("Called", "called_ae_title"),
    meta_column("From", "address"),
    meta_column("Received", "received"),
)
_ECHOED: Sequence[Column] = (meta_column("Peer", "peer"), meta_column("Milliseconds", "milliseconds"))
_STARTED: Sequence[Column] = (meta_column("Operation", "operation"),)
_PULLED: Sequence[Column] = (
    meta_column("Studies", "study_count"),
    meta_column("Complete", "complete_study_count"),
    meta_column("Instances", "instance_count"),
    meta_column("Failed", "failed_instance_count"),
)
_PUSHED: Sequence[Column] = (
    meta_column("Instances", "instance_count"),
    meta_column("Sent", "sent_count"),
    meta_column("With a warning", "warning_count"),
    meta_column("Converted", "converted_count"),
    meta_column("Committed", "committed_count"),
)

_IN = in_option("dimse:", "The DICOM door, and the store.")
_NO_WAIT = click.option("--no-wait", is_flag=True, help="Start the work, and do not wait for its end.")
_MATCH = click.option(
    "-m", "--match", "matches", multiple=True, metavar="ATTRIBUTE=VALUE", help="Must match; may be repeated."
)


@click.command("peers", epilog="Example: diana-cli peers")
@_IN
def peers(endpoint: str) -> Stage:
    """List the DICOM peers that the configuration names, and where they are called."""
    return Stage("peers", Takes.ALONE, lambda session, _: _door(session, endpoint).peers(), show_table(_PEERS))


@click.command("associations", epilog="Example: diana-cli associations")
@_IN
def associations(endpoint: str) -> Stage:
    """List the associations that peers have with the DICOM door now, the oldest first."""

    def run(session: Session, _: Flow | None) -> Flow:
        return _door(session, endpoint).associations()

    return Stage("associations", Takes.ALONE, run, show_table(_ASSOCIATIONS))


@click.command("echo", cls=Worded, epilog="Example: diana-cli echo pacs")
@click.argument("peer")
@_IN
def echo(peer: str, endpoint: str) -> Stage:
    """Verify that a PEER answers (C-ECHO)."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield _door(session, endpoint).echo(peer)

    return Stage("echo", Takes.ALONE, run, show_table(_ECHOED))


@click.command("find-at", cls=Worded, epilog="Example: diana-cli find-at pacs -m PatientID=1CT1 pull pacs")
@click.argument("peer")
@click.option("--level", type=click.Choice(LEVELS), default="study", show_default=True, help="What to look for.")
@_MATCH
@click.option(
    "-r", "--return", "names", multiple=True, metavar="ATTRIBUTE", help="Return this as well; may be repeated."
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="So many at most.")
@_IN
def find_at(
    peer: str, level: str, matches: tuple[str, ...], names: tuple[str, ...], limit: int, endpoint: str
) -> Stage:
    """Find patients, studies, series or instances at a PEER (C-FIND); what it finds can be pulled.

    Values match as the peer matches them: exact, wildcards * and ?, ranges 20200101-20201231, empty for any. Below
    study level most peers want the StudyInstanceUID, at instance level the SeriesInstanceUID too.
    """
    keys = parse_matches(matches)

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _door(session, endpoint).find_at(peer, level, keys, names, limit)

    return Stage("find-at", Takes.NOTHING, run, show_table(record_columns(level, names)))


@click.command(
    "pull", cls=Worded, epilog="Example: diana-cli pull pacs --from 20260101 --to 20260331 -m ModalitiesInStudy=CT"
)
@click.argument("peer")
@array_option("--study", "studies", told="Study Instance UIDs")
@array_option("--accession", "numbers", told="Accession numbers")
@click.option("--from", "first", default="", metavar="DATE", help="The first study date, YYYYMMDD.")
@click.option("--to", "last", default="", metavar="DATE", help="The last study date, YYYYMMDD; included.")
@click.option(
    "--days", type=click.IntRange(1, 366), default=1, show_default=True, help="So many days a query, of a span of days."
)
@_MATCH
@click.option("--method", type=click.Choice(("move", "get")), help="Instead of the one that the configuration says.")
@_NO_WAIT
@_IN
def pull(peer: str, endpoint: str, no_wait: bool, **asked: Any) -> Stage:
    """Retrieve studies from a PEER into the archive (C-MOVE or C-GET): those named, or those of the items before.

    The DICOM door does it, at the pace and in the hours that its configuration has for the peer; what cannot be had is
    told with its reason. Ctrl-C ends the waiting, not the work.
    """
    wanted = _wanted(**asked)

    def run(session: Session, flow: Flow | None) -> Flow:
        door = _door(session, endpoint)
        items = session.sift("pull", map(_of_study, required(flow)))
        for one in _listed(wanted, items):
            yield from _done(session, "pull", door, door.start_pull(peer, one), no_wait)

    takes = Takes.NOTHING if _is_named(wanted) else Takes.ITEMS
    return Stage("pull", takes, run, show_table(_STARTED if no_wait else _PULLED))


@click.command("push", cls=Worded, epilog="Example: diana-cli find -m PatientID=1CT1 push pacs --commit")
@click.argument("peer")
@array_option("--study", "studies", told="Study Instance UIDs")
@array_option("--instance", "instances", told="SOP Instance UIDs")
@click.option("--commit", is_flag=True, help="Ask the peer to commit itself to keep them, and wait for its answer.")
@_NO_WAIT
@_IN
def push(
    peer: str, endpoint: str, no_wait: bool, commit: bool, instances: tuple[str, ...], studies: tuple[str, ...]
) -> Stage:
    """Send studies or instances of the archive to a PEER (C-STORE): those named, or the items before.

    They are converted where the peer takes no transfer syntax that they have; those that it refuses are told with its
    status. Ctrl-C ends the waiting, not the work.
    """
    named = [Item({"study_uid": uid}) for uid in studies] + [Item({"sop_instance_uid": uid}) for uid in instances]

    def run(session: Session, flow: Flow | None) -> Flow:
        door = _door(session, endpoint)
        items = session.sift("push", map(_sendable, named or required(flow)))
        for parcel in _parcels(list(items), commit):
            yield from _done(session, "push", door, door.start_push(peer, parcel), no_wait)

    takes = Takes.NOTHING if named else Takes.ITEMS
    return Stage("push", takes, run, show_table(_STARTED if no_wait else _PUSHED))


def _door(session: Session, endpoint: str) -> PeerUser:
    return cast(PeerUser, session.endpoint(endpoint, PeerUser, "deal with DICOM peers"))


def _done(session: Session, title: str, door: PeerUser, operation: str, no_wait: bool) -> Flow:
    """The items that failed, and the counts; or the operation that was started."""
    if no_wait:
        yield Item({"operation": operation, "outcome": "started"})
        return
    with progress_bar(session, title) as bar:
        done = list(door.await_work(operation, bar))
    yield from done


def _wanted(
    studies: tuple[str, ...],
    numbers: tuple[str, ...],
    first: str,
    last: str,
    days: int,
    matches: tuple[str, ...],
    method: str | None,
) -> Wanted:
    """What the options name. Raises click.UsageError for those that exclude one another."""
    if sum(map(bool, (studies, numbers, first or last))) > 1:
        raise click.UsageError("--study, --accession and --from exclude one another.")
    if bool(first) != bool(last):
        raise click.UsageError("--from and --to go together.")
    if matches and not first:
        raise click.UsageError("--match needs --from and --to. What find-at finds by anything else can be pulled.")
    return Wanted(studies, numbers, first, last, days, parse_matches(matches), method or "")


def _is_named(wanted: Wanted) -> bool:
    return bool(wanted.study_uids or wanted.accession_numbers or wanted.first_date)


def _listed(wanted: Wanted, items: Flow) -> Iterator[Wanted]:
    """What is wanted, in portions of one operation each."""
    if wanted.first_date:
        yield wanted
        return
    if wanted.accession_numbers:
        for some in _portions(wanted.accession_numbers):
            yield Wanted(accession_numbers=some, method=wanted.method)
        return
    for some in _portions(dict.fromkeys(wanted.study_uids or (str(item.meta["study_uid"]) for item in items))):
        yield Wanted(some, method=wanted.method)


def _of_study(item: Item) -> Item:
    if not item.meta.get("study_uid"):
        item.failure = failure_of(invalid_field("item", "names no study"))
    return item


def _sendable(item: Item) -> Item:
    if not (item.meta.get("sop_instance_uid") or (item.meta.get("study_uid") and not item.meta.get("series_uid"))):
        item.failure = failure_of(invalid_field("item", "is neither a study nor an instance"))
    return item


def _parcels(items: Sequence[Item], commit: bool) -> Iterator[Parcel]:
    """The items by the store that they are in, studies apart from instances, in portions of one operation each."""
    for store in dict.fromkeys(str(item.meta.get("store", "")) for item in items):
        here = [item.meta for item in items if item.meta.get("store", "") == store]
        instances = dict.fromkeys(str(meta["sop_instance_uid"]) for meta in here if meta.get("sop_instance_uid"))
        studies = dict.fromkeys(str(meta["study_uid"]) for meta in here if not meta.get("sop_instance_uid"))
        yield from (Parcel(study_uids=some, store=store, commit=commit) for some in _portions(studies))
        yield from (Parcel(sop_instance_uids=some, store=store, commit=commit) for some in _portions(instances))


def _portions(values: Iterable[str]) -> Iterator[Sequence[str]]:
    left = iter(values)
    while some := list(islice(left, _TOGETHER)):
        yield some


COMMANDS = (peers, associations, echo, find_at, pull, push)
