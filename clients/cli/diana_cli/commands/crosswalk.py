"""reidentify, reidentifications: who pseudonyms stand for, and who has asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.words import Worded
from diana_endpoints.protocol.anon import Reidentifier

_SUBJECTS: Sequence[Column] = (
    meta_column("Pseudonym", "pseudonym"),
    meta_column("Patient ID", "patient_id"),
    meta_column("Issuer", "issuer"),
    meta_column("Name", "name"),
    meta_column("Birth date", "birth_date"),
    meta_column("Sex", "sex"),
    meta_column("Study Instance UID", "study_uid"),
    meta_column("Store", "store"),
)
_LOG: Sequence[Column] = (
    meta_column("No.", "number"),
    meta_column("When", "time"),
    meta_column("Who", "caller"),
    ("Answered", lambda item: "yes" if item.meta["granted"] else "no"),
    meta_column("Domain", "domain"),
    ("Pseudonyms", lambda item: " ".join(item.meta["pseudonyms"])),
    meta_column("Reason", "reason"),
)
_IN = in_option("anon:", "Who knows.")


@click.command(
    "reidentify", cls=Worded, epilog="Example: diana-cli reidentify 2.25.1234 --reason 'incidental finding, case 17'"
)
@click.argument("pseudonyms", nargs=-1, required=True, metavar="PSEUDONYM...")
@click.option("--reason", required=True, metavar="TEXT", help="Why: goes into the log.")
@click.option("--domain", default="", help="Where they were minted; default: default.")
@_IN
def reidentify(pseudonyms: tuple[str, ...], reason: str, domain: str, endpoint: str) -> Stage:
    """Tell who pseudonyms stand for: new Patient IDs, or new Study Instance UIDs.

    Needs a token that may: `token_file` in services YAML. Every question is logged before it is answered.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _reidentifier(session, endpoint).reidentify(pseudonyms, reason, domain)

    return Stage("reidentify", Takes.ALONE, run, show_table(_SUBJECTS))


@click.command("reidentifications", epilog="Example: diana-cli reidentifications")
@_IN
def reidentifications(endpoint: str) -> Stage:
    """List who has asked for whom, newest first, and check that no entry was altered or removed.

    Needs a token that may audit.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _reidentifier(session, endpoint).reidentifications()

    return Stage("reidentifications", Takes.ALONE, run, show_table(_LOG))


def _reidentifier(session: Session, endpoint: str) -> Reidentifier:
    return cast(Reidentifier, session.endpoint(endpoint, Reidentifier, "tell who pseudonyms stand for"))


COMMANDS = (reidentify, reidentifications)
