"""dgetall, get, put: moving items."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, of_each, show_summary
from diana_cli.params import ENDPOINT
from diana_cli.selection import KWARGS, either, placed, source_of, uid_options, wanted
from diana_cli.session import Session
from diana_cli.words import Worded
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.protocol.items import Getter, Lister, Putter

_BINARY = click.option(
    "-b", "--binary", is_flag=True, help="As in the older system; content is opened when it is needed, in any case."
)


@click.command("dgetall", cls=Worded, epilog="Example: diana-cli dgetall zip:study.zip put archive:")
@click.argument("endpoint", type=ENDPOINT, metavar="SOURCE")
@_BINARY
def dgetall(endpoint: str, binary: bool) -> Stage:
    """Take every item of an endpoint: of a folder, a ZIP file or an archive's store every DICOM instance."""

    def run(session: Session, _: Flow | None) -> Flow:
        source = cast(Lister, session.endpoint(endpoint, Lister, "list its items"))
        yield from source.list()
        for kind, count in source.passed_over.items():
            session.note(f"dgetall: passed over {count} {kind}")

    return Stage("dgetall", Takes.NOTHING, run, show_summary)


@click.command("put", cls=Worded, epilog="Example: diana-cli dgetall path:/scans put archive:trial")
@click.argument("endpoint", type=ENDPOINT, metavar="DEST")
@KWARGS
def put(endpoint: str, more: dict[str, Any] | None) -> Stage:
    """Put each item into an endpoint, and hand on those that were taken."""

    def run(session: Session, flow: Flow | None) -> Flow:
        target = cast(Putter, session.endpoint(endpoint, Putter, "be put to"))
        yield from session.progress("put", target.put(either(None, flow, more)))

    return Stage("put", Takes.ITEMS, run, show_summary)


@click.command(
    "get",
    cls=Worded,
    epilog="Example: diana-cli find -m PatientID=1CT1 get --out study\n\n"
    "Example: diana-cli get path:/data/dcm IM0001.dcm print",
)
@placed("--from")
@uid_options
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write STUDY/SERIES/INSTANCE.dcm here.")
@KWARGS
@_BINARY
def get(
    source: str | None,
    items: list[str] | None,
    endpoint: str,
    study_uid: str,
    series_uid: str,
    sop_instance_uid: str,
    out: Path | None,
    more: dict[str, Any] | None,
    binary: bool,
) -> Stage:
    """Get items by id or UID, or those that the items before name.

    ITEMS are ids, as SOURCE names things: paths in a folder, keys, UIDs. A study brings its instances, a series its
    own. With --out they are written to a folder.
    """
    place = source_of(source, endpoint)
    named = wanted(study_uid, series_uid, sop_instance_uid, items, more)

    def run(session: Session, flow: Flow | None) -> Flow:
        found = get_each(cast(Getter, session.endpoint(place, Getter, "be got from")), either(named, flow, more))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            found = Folder(FolderSettings(out)).put(session.sift("get", found))
        yield from session.progress("get", found)

    return Stage("get", Takes.ITEMS if named is None else Takes.NOTHING, run, show_summary)


def get_each(source: Getter, items: Flow) -> Flow:
    """What each item names; one that is not there comes with its failure, and does not keep the rest."""
    return of_each(items, source.get)


COMMANDS = (dgetall, put, get)
