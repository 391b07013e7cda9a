"""receipt, quarantine, deid-report: the proof of what was de-identified, and what was held back."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, show_json, show_nothing
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.text import clean
from diana_cli.words import Worded
from diana_endpoints.protocol.anon import ProofKeeper

_UID = re.compile(r"[0-9.]{1,64}")
_TITLES = {
    "sop_instance_uid": "SOP Instance UID",
    "study_uid": "Study Instance UID",
    "profile": "Profile",
    "profile_sha256": "Profile's SHA-256",
    "standard": "Standard",
    "methods": "Methods",
    "software": "Software",
    "source_sha256": "Source's SHA-256",
    "result_sha256": "Result's SHA-256",
    "actions_sha256": "Actions' SHA-256",
    "pixels": "Pixels",
    "scan": "Scan",
    "created": "Created",
    "key_id": "Signing key",
    "signature": "Signature",
    "file": "The file is",
    "stored": "Stored",
}
_ID_SHOWN = 12
"""Characters of an id that tell it from others, for people; scripts get it whole."""
_HELD: Sequence[Column] = (
    ("Id", lambda item: str(item.meta["id"])[:_ID_SHOWN]),
    ("Why", lambda item: str(item.meta["reason"]).replace("_", " ")),
    meta_column("Where", "detail"),
    meta_column("Store", "store"),
    meta_column("SOP Instance UID", "sop_instance_uid"),
    meta_column("Profile", "profile"),
    meta_column("Released by", "released_by"),
)
_IN = in_option("anon:", "Who keeps it.")


@click.command("receipt", cls=Worded, epilog="Example: diana-cli receipt 2.25.1234 --verify 2.25.1234.dcm")
@click.argument("name", metavar="SOP_UID|FILE")
@click.option(
    "--verify",
    "against",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Hold this file, the result or the source, against the receipt.",
)
@click.option("--actions", "show_actions", is_flag=True, help="List what was done to each attribute too.")
@_IN
def receipt(name: str, against: Path | None, show_actions: bool, endpoint: str) -> Stage:
    """Show the signed receipt of a de-identified instance, named by its UID or its file.

    Its signature, and the digest of its actions, are verified on this side. The exit status is 1 if anything does not
    fit.
    """
    file = None if _UID.fullmatch(name) and not Path(name).exists() else Path(name)

    def run(session: Session, _: Flow | None) -> Flow:
        found = _keeper(session, endpoint).receipt("" if file else name, file, against)
        if not show_actions:
            del found.meta["actions"]
        yield found

    return Stage("receipt", Takes.ALONE, run, _show_receipt)


@click.command("quarantine", epilog="Example: diana-cli quarantine --release 4f1d --by 'Ada Lovelace'")
@click.option("--operation", default="", help="Only what this operation held back.")
@click.option("--all", "show_released", is_flag=True, help="Those released too.")
@click.option(
    "--release", "ids", multiple=True, metavar="ID", help="Let it go; its first characters do. May be repeated."
)
@click.option("--by", "released_by", default="", metavar="NAME", help="Who has looked at it: goes into its receipt.")
@_IN
def quarantine(operation: str, show_released: bool, ids: tuple[str, ...], released_by: str, endpoint: str) -> Stage:
    """List the instances that were held back, oldest first, or release some.

    What is released goes out when its study is de-identified again by the same profile.
    """
    if bool(ids) != bool(released_by):
        raise click.UsageError("--release ID and --by NAME go together.")
    if ids and (operation or show_released):
        raise click.UsageError("--release stands without --operation and --all.")

    def run(session: Session, _: Flow | None) -> Flow:
        keeper = _keeper(session, endpoint)
        yield from keeper.release(ids, released_by) if ids else keeper.quarantined(operation, show_released)

    return Stage("quarantine", Takes.ALONE, run, show_table(_HELD))


@click.command("deid-report", cls=Worded, epilog="Example: diana-cli deid-report operations/anon-12 --out report.html")
@click.argument("operation")
@click.option(
    "--format",
    "form",
    type=click.Choice(("html", "json", "csv")),
    help="What to write. Default: as the file's name ends, else html.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Standard output by default.")
@_IN
def deid_report(operation: str, form: str | None, out: Path | None, endpoint: str) -> Stage:
    """Write the report of an operation that de-identified studies, or previewed it.

    A preview's report quotes text of the source: it is identified data.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        write_report(_keeper(session, endpoint), operation, form, out)
        yield from ()

    return Stage("deid-report", Takes.ALONE, run, show_nothing)


def write_report(keeper: ProofKeeper, operation: str, form: str | None, out: Path | None) -> None:
    """Write an operation's report to a file, whole or not at all, or to standard output."""
    pieces = keeper.deid_report(operation, form or form_of(out))
    if out is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    partial = out.with_name(f"{out.name}.partial")
    try:
        # For its owner only: it is identified data, or ties it to what was made of it.
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(pieces)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def form_of(out: Path | None) -> str:
    """The form that a file's name asks for."""
    ending = out.suffix.lower().lstrip(".") if out else ""
    return ending if ending in ("json", "csv") else "html"


def _show_receipt(session: Session, flow: Flow) -> None:
    if session.json:
        show_json(session, flow)
        return
    for item in flow:
        shown = [(title, item.meta[key]) for key, title in _TITLES.items() if item.meta.get(key)]
        width = max(len(title) for title, _ in shown)
        for title, value in shown:
            text = " ".join(map(str, value)) if isinstance(value, list) else value
            session.out.print(clean(f"{title:<{width}}  {text}"))
        for path, action in item.meta.get("actions", ()):
            session.out.print(clean(f"{action:<{width}}  {path}"))


def _keeper(session: Session, endpoint: str) -> ProofKeeper:
    return cast(ProofKeeper, session.endpoint(endpoint, ProofKeeper, "keep receipts"))


COMMANDS = (receipt, quarantine, deid_report)
