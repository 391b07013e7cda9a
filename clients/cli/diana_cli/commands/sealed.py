"""unseal: what is sealed into a study, such as who its subject was before it was de-identified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, required, show_json
from diana_cli.session import Session
from diana_cli.text import clean
from diana_endpoints.failures import failure_of, is_fatal
from diana_endpoints.items import Item
from diana_endpoints.protocol.archive import Unsealer


@click.command("unseal", epilog="Example: diana-cli find --store trial unseal --in archive:trial")
@click.option("--study", "study_uid", default="", metavar="UID", help="A Study Instance UID.")
@click.option("--in", "endpoint", default="archive:", show_default=True, metavar="ENDPOINT", help="Archive and store.")
def unseal(study_uid: str, endpoint: str) -> Stage:
    """Open what is sealed into studies, named by UID or by the items before: patient values, usually.

    The archive logs who has asked for which study, without the values.
    """
    named = Item({"study_uid": study_uid}) if study_uid else None

    def run(session: Session, flow: Flow | None) -> Flow:
        archive = cast(Unsealer, session.endpoint(endpoint, Unsealer, "open what is sealed"))
        for item in iter([named]) if named else required(flow):
            yield _opened(archive, item)

    return Stage("unseal", Takes.NOTHING if named else Takes.ITEMS, run, _show)


def _opened(archive: Unsealer, item: Item) -> Item:
    try:
        return archive.unseal(item)
    except Exception as error:
        if is_fatal(error):
            raise
        item.failure = failure_of(error)
        return item


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
