"""unseal: what is sealed into a study, such as who its subject was before it was de-identified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, of_each, required, show_json
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.text import clean
from diana_endpoints.items import Item
from diana_endpoints.protocol.archive import Unsealer


@click.command("unseal", epilog="Example: diana-cli find --store trial unseal --in archive:trial")
@click.option("--study", "study_uid", default="", metavar="UID", help="A Study Instance UID.")
@in_option("archive:", "Archive and store.")
def unseal(study_uid: str, endpoint: str) -> Stage:
    """Open what is sealed into studies, named by UID or by the items before: patient values, usually.

    The archive logs who has asked for which study, without the values.
    """
    named = Item({"study_uid": study_uid}) if study_uid else None

    def run(session: Session, flow: Flow | None) -> Flow:
        archive = cast(Unsealer, session.endpoint(endpoint, Unsealer, "open what is sealed"))
        yield from of_each([named] if named else required(flow), lambda item: [archive.unseal(item)])

    return Stage("unseal", Takes.NOTHING if named else Takes.ITEMS, run, _show)


def _show(session: Session, flow: Flow) -> None:
    if session.json:
        show_json(session, flow)
        return
    for item in flow:
        session.echo(clean(item.meta["study_uid"]))
        sealed: Mapping[str, str] = item.meta["sealed"]
        for key, value in sealed.items():
            session.echo(clean(f"  {key}: {value}"))


COMMANDS = (unseal,)
