"""ls and check: how the endpoints are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import rich_click as click
from click.exceptions import Exit

from diana_cli.chain import Flow, Stage, Takes
from diana_cli.exits import Status
from diana_cli.session import Session
from diana_cli.tables import meta_column, show_table
from diana_common.errors import DianaError
from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Checkable, Health

_COLUMNS = [
    meta_column("Endpoint", "endpoint"),
    meta_column("Kind", "ctype"),
    meta_column("Where", "where"),
    meta_column("Health", "health"),
    meta_column("Detail", "detail"),
]


@click.command("ls", epilog="Example: diana-cli ls")
def ls() -> Stage:
    """List the services described, and how each is. The status is 3 if one cannot be used."""

    def run(session: Session, _: Flow | None) -> Flow:
        names = session.services.entries
        if not names:
            session.note("no services are described: start a mesh (diana-cli up), or give --services FILE")
        with ThreadPoolExecutor(max_workers=8) as pool:
            yield from pool.map(lambda name: _examine(session, name), names)

    return Stage("ls", Takes.ALONE, run, _show)


@click.command("check", epilog="Example: diana-cli check archive:")
@click.argument("endpoint")
def check(endpoint: str) -> Stage:
    """Say how an ENDPOINT is. The status is 3 if it cannot be used."""

    def run(session: Session, _: Flow | None) -> Flow:
        session.endpoint(endpoint, Checkable, "be checked")
        yield _examine(session, endpoint)

    return Stage("check", Takes.ALONE, run, _show)


def _examine(session: Session, name: str) -> Item:
    entry = session.services.describe(name)
    try:
        health = cast(Checkable, session.endpoint(name, Checkable, "be checked")).check()
    except DianaError as error:
        health = Health(False, error.message)
    meta = {"endpoint": name, "ctype": entry["ctype"], "where": entry.get("address") or entry.get("path", "")}
    return Item({**meta, "health": "ok" if health.ok else "down", "detail": health.detail})


def _show(session: Session, flow: Flow) -> None:
    items = list(flow)
    show_table(_COLUMNS)(session, iter(items))
    if any(item.meta["health"] != "ok" for item in items):
        raise Exit(Status.UNAVAILABLE)


COMMANDS = (ls, check)
