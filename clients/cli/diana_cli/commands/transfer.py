"""dgetall, get, put: moving instances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, required, show_summary
from diana_cli.session import Session
from diana_endpoints.failures import failure_of, is_fatal
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.items import Item
from diana_endpoints.protocol.items import Getter, Lister, Putter


@click.command("dgetall", epilog="Example: diana-cli dgetall zip:study.zip put archive:")
@click.argument("endpoint")
def dgetall(endpoint: str) -> Stage:
    """Take every DICOM instance of an ENDPOINT: a folder, a ZIP file, an archive's store."""

    def run(session: Session, _: Flow | None) -> Flow:
        source = cast(Lister, session.endpoint(endpoint, Lister, "list its instances"))
        yield from source.list()
        for kind, count in source.passed_over.items():
            session.note(f"dgetall: passed over {count} {kind}")

    return Stage("dgetall", Takes.NOTHING, run, show_summary)


@click.command("put", epilog="Example: diana-cli dgetall path:/scans put archive:trial")
@click.argument("endpoint")
def put(endpoint: str) -> Stage:
    """Put each instance into an ENDPOINT, and hand on those that were taken."""

    def run(session: Session, flow: Flow | None) -> Flow:
        target = cast(Putter, session.endpoint(endpoint, Putter, "be put to"))
        yield from session.progress("put", target.put(required(flow)))

    return Stage("put", Takes.ITEMS, run, show_summary)


@click.command("get", epilog="Example: diana-cli find -m PatientID=1CT1 get --out study")
@click.option("--from", "endpoint", default="archive:", show_default=True, metavar="ENDPOINT", help="Where from.")
@click.option("--study", "study_uid", default="", metavar="UID", help="A Study Instance UID.")
@click.option("--series", "series_uid", default="", metavar="UID", help="A Series Instance UID; needs --study.")
@click.option("--instance", "sop_instance_uid", default="", metavar="UID", help="A SOP Instance UID.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write STUDY/SERIES/INSTANCE.dcm here.")
def get(endpoint: str, study_uid: str, series_uid: str, sop_instance_uid: str, out: Path | None) -> Stage:
    """Get instances, by UID or those that the items before name.

    A study brings its instances, a series its own. With --out they are written to a folder.
    """
    named = wanted(study_uid, series_uid, sop_instance_uid)

    def run(session: Session, flow: Flow | None) -> Flow:
        source = cast(Getter, session.endpoint(endpoint, Getter, "be got from"))
        found = _get_each(source, _either(named, flow))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            found = Folder(FolderSettings(out)).put(session.sift("get", found))
        yield from session.progress("get", found)

    return Stage("get", Takes.NOTHING if named else Takes.ITEMS, run, show_summary)


def wanted(study_uid: str, series_uid: str, sop_instance_uid: str) -> Item | None:
    """The item that the options --study, --series and --instance name; None if none is given."""
    if series_uid and not study_uid:
        raise click.UsageError("--series needs --study.")
    meta = {"study_uid": study_uid, "series_uid": series_uid, "sop_instance_uid": sop_instance_uid}
    return Item({key: uid for key, uid in meta.items() if uid}) if any(meta.values()) else None


def _either(named: Item | None, flow: Flow | None) -> Flow:
    return iter([named]) if named else required(flow)


def _get_each(source: Getter, items: Flow) -> Iterator[Item]:
    for item in items:
        try:
            yield from source.get(item)
        except Exception as error:  # one that is not there does not keep the rest
            if is_fatal(error):
                raise
            item.failure = failure_of(error)
            yield item


COMMANDS = (dgetall, put, get)
