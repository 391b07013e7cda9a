"""anonymize: de-identifying studies from store to store, instances as they pass, and free text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, of_each, required, show_summary
from diana_cli.deidentifying import cohort, show_cohort, show_texts, text_files
from diana_cli.pairs import parse_pairs
from diana_cli.progress import progress_bar
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.words import Worded
from diana_common.errors import invalid_field
from diana_endpoints.failures import unreadable
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.items import FileContent, Item
from diana_endpoints.protocol.anon import Anonymizer, CohortOrder, StudyOrder

_UID = re.compile(r"[0-9.]{1,64}")
_STUDIES: Sequence[Column] = (
    meta_column("Store", "store"),
    meta_column("Instances", "instances"),
    meta_column("Refused", "refused"),
    ("Complete", lambda item: "yes" if item.meta["complete"] else "no"),
    meta_column("New Study Instance UID", "study_uid"),
)
_STARTED: Sequence[Column] = (meta_column("Operation", "operation"), meta_column("Of study", "source_study_uid"))

_EXAMPLES = """Example: diana-cli anonymize 1.2.826.0.1.3680043.8.498.1 --to deid --attribute trial=mammo

Example: diana-cli find -m PatientID=1CT1 anonymize --to deid get --from archive:deid --out DIR

Example: diana-cli dgetall path:/scans anonymize --out DIR

Example: diana-cli find -m StudyDescription='*chest*' anonymize --preview --report preview.html

Example: diana-cli anonymize report.txt --of 1.2.826.0.1.3680043.8.498.1"""


@click.command("anonymize", cls=Worded, epilog=_EXAMPLES)
@click.argument("names", nargs=-1, metavar="[STUDY_UID | FILE | TEXT.txt]...")
@click.option("--to", "target", default="", metavar="STORE", help="De-identify whole studies, into this store.")
@click.option("--from", "source", default="", metavar="STORE", help="The store the studies are in.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write STUDY/SERIES/INSTANCE.dcm here.")
@click.option("--profile", default="", help="How to de-identify; anon's configuration names the profiles.")
@click.option(
    "--attribute", "attributes", multiple=True, metavar="KEY=VALUE", help="Set on the new study; may be repeated."
)
@click.option(
    "--copy", "copied", multiple=True, metavar="KEY", help="Take this attribute over from the study; may be repeated."
)
@click.option("--together", is_flag=True, help="Do all studies as one operation, with one report.")
@click.option("--preview", is_flag=True, help="Work out what would be done to studies, and store nothing.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --together or --preview: write the report here, as .html, .json or .csv.",
)
@click.option("--of", "study", default="", metavar="STUDY_UID", help="The study that a text file is about.")
@click.option("--no-wait", is_flag=True, help="Start the work, and do not wait for its end.")
@in_option("anon:", "Who does it.")
def anonymize(
    names: tuple[str, ...],
    target: str,
    source: str,
    out: Path | None,
    profile: str,
    attributes: tuple[str, ...],
    copied: tuple[str, ...],
    together: bool,
    preview: bool,
    report: Path | None,
    study: str,
    no_wait: bool,
    endpoint: str,
) -> Stage:
    """De-identify studies into another store, or single instances on their way.

    With --to, whole studies go from store to store: those named, or those that the items before belong to. The
    new studies are handed on, and what was refused is told with its reason; Ctrl-C ends the waiting, not the
    work. Without --to, each file named or item before becomes its de-identified instance, which --out writes.
    Text files (.txt) come out without identifiers, as a text or, with --out, as files.

    Each study is an operation of its own, unless they are done --together. A --preview stores nothing: its report
    says what would be done, and which text would remain.
    """
    takes = Takes.NOTHING if names else Takes.ITEMS
    if names and all(name.lower().endswith(".txt") for name in names):
        _check_texts(target, preview or together or bool(report) or bool(attributes) or bool(copied) or no_wait)
        return Stage("anonymize", takes, partial(_texts, endpoint, names, study, source, profile, out), show_texts)
    whole = together or preview
    _check_cohort(whole, preview, target, out, report, study, no_wait)
    _check(names, target or whole, out, only_with_target={"from": source, "attribute": attributes, "copy": copied})
    if whole:
        asked = CohortOrder((), target, source, profile, parse_pairs(attributes, "--attribute"), copied, preview)
        run = partial(_cohorts, endpoint, names, asked, report, no_wait)
        return Stage("anonymize", takes, run, show_table(_STARTED[:1]) if no_wait else show_cohort)
    if not target:
        return Stage("anonymize", takes, partial(_instances, endpoint, names, profile, out), show_summary)
    order = StudyOrder("", target, source, profile, parse_pairs(attributes, "--attribute"), copied)
    shown = show_table(_STARTED if no_wait else _STUDIES)
    return Stage("anonymize", takes, partial(_studies, endpoint, names, order, no_wait), shown)


def _check_texts(target: str, cohort: bool) -> None:
    if target or cohort:
        raise click.UsageError("Text files take --profile, --of, --from and --out only.")


def _check_cohort(
    whole: bool, preview: bool, target: str, out: Path | None, report: Path | None, study: str, no_wait: bool
) -> None:
    """Refuse what makes no sense of studies that are done or looked at together."""
    if study:
        raise click.UsageError("--of is for text files.")
    if preview and target:
        raise click.UsageError("--preview and --to exclude one another: a preview stores nothing.")
    if whole and not preview and not target:
        raise click.UsageError("--together needs --to STORE.")
    if whole and out:
        raise click.UsageError("--out is for single instances; the report goes to --report FILE.")
    if report and (not whole or no_wait):
        raise click.UsageError("--report needs --together or --preview, and the end of the work.")


def _check(names: tuple[str, ...], target: str | bool, out: Path | None, only_with_target: dict[str, Any]) -> None:
    """Refuse what makes no sense together."""
    if target and out:
        raise click.UsageError("--to and --out exclude one another; to fetch what --to made, let get follow.")
    if target and not all(map(_UID.fullmatch, names)):
        raise click.UsageError("--to and --preview take studies by their Study Instance UIDs.")
    if not target:
        for option, value in only_with_target.items():
            if value:
                raise click.UsageError(f"--{option} needs --to STORE.")
        if any(_UID.fullmatch(name) and not Path(name).exists() for name in names):
            raise click.UsageError("A study needs --to STORE, the store that its de-identified twin goes to.")


def _instances(
    endpoint: str, names: tuple[str, ...], profile: str, out: Path | None, session: Session, flow: Flow | None
) -> Flow:
    anon = _anonymizer(session, endpoint)
    made = anon.anonymize(session.sift("anonymize", _files(names)) if names else required(flow), profile)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        made = Folder(FolderSettings(out)).put(session.sift("anonymize", made))
    yield from session.progress("anonymize", made)


def _studies(
    endpoint: str, names: tuple[str, ...], order: StudyOrder, no_wait: bool, session: Session, flow: Flow | None
) -> Flow:
    """`order` says all but the studies, and the store where each item has its own."""
    anon = _anonymizer(session, endpoint)
    for store, uid in _wanted(names, flow, order.source_store, session.store):
        yield from _one_study(session, anon, replace(order, study_uid=uid, source_store=store), no_wait)


def _cohorts(
    endpoint: str,
    names: tuple[str, ...],
    order: CohortOrder,
    report: Path | None,
    no_wait: bool,
    session: Session,
    flow: Flow | None,
) -> Flow:
    """All studies of each store as one operation; `order` says all but the studies."""
    anon = _anonymizer(session, endpoint)
    by_store: dict[str, list[str]] = {}
    for store, uid in _wanted(names, flow, order.source_store, session.store):
        by_store.setdefault(store, []).append(uid)
    if report and len(by_store) > 1:
        raise invalid_field("--report", "is one file, and the studies are in several stores")
    for store, uids in by_store.items():
        yield from cohort(session, anon, replace(order, study_uids=uids, source_store=store), report, no_wait)


def _texts(
    endpoint: str,
    names: tuple[str, ...],
    study: str,
    store: str,
    profile: str,
    out: Path | None,
    session: Session,
    _: Flow | None,
) -> Flow:
    anon = _anonymizer(session, endpoint)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    yield from text_files(session, anon, names, study, store, profile, out)


def _anonymizer(session: Session, endpoint: str) -> Anonymizer:
    return cast(Anonymizer, session.endpoint(endpoint, Anonymizer, "de-identify"))


def _wanted(names: tuple[str, ...], flow: Flow | None, source: str, default: str) -> list[tuple[str, str]]:
    """Stores and UIDs of the studies, each once. The items before are drawn first: a study is whole only then."""
    if names:
        return [(source or default, uid) for uid in dict.fromkeys(names)]
    found: dict[tuple[str, str], None] = {}
    for item in required(flow):
        uid = item.meta.get("study_uid")
        if not uid:
            raise invalid_field("item", "names no study: put it into an archive before, or leave out --to")
        found[(source or str(item.meta.get("store") or default), str(uid))] = None
    return list(found)


def _one_study(session: Session, anon: Anonymizer, order: StudyOrder, no_wait: bool) -> Iterator[Item]:
    """The instances that were refused, and the new study; or the operation that was started."""

    def done(_: Item) -> list[Item]:
        operation = anon.start_study(order)
        if no_wait:
            return [Item({"operation": operation, "outcome": "started"})]
        with progress_bar(session, f"anonymize {order.study_uid}") as bar:
            return list(anon.await_study(operation, bar))

    for item in of_each([Item()], done):
        item.meta["study_uid" if item.failure else "source_study_uid"] = order.study_uid
        yield item


def _files(names: tuple[str, ...]) -> Iterator[Item]:
    for number, name in enumerate(names, 1):
        path = Path(name)
        try:
            size = path.stat().st_size
            yield Item({"path": name, "size_bytes": size}, content=FileContent(path, size), number=number)
        except OSError:
            yield Item({"path": name}, number=number, failure=unreadable("a file"))


COMMANDS = (anonymize,)
