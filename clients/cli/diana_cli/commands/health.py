"""ls and check: how the endpoints are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from queue import Empty, SimpleQueue
from threading import Thread
from typing import cast

import rich_click as click
from click.exceptions import Exit

from diana_cli.chain import Flow, Stage, Takes
from diana_cli.exits import Status
from diana_cli.params import ENDPOINT
from diana_cli.session import Session
from diana_cli.tables import meta_column, show_table
from diana_common.errors import DianaError
from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Checkable, Health
from diana_endpoints.registry import kind

_COLUMNS = [
    meta_column("Endpoint", "endpoint"),
    meta_column("Kind", "ctype"),
    meta_column("Where", "where"),
    meta_column("Health", "health"),
    meta_column("Detail", "detail"),
]


_PATIENCE_SECONDS = 30.0
"""How long all checks together are waited for."""
_WHERE = ("address", "path", "url", "host")


@click.command("ls", epilog="Example: diana-cli ls")
@click.option(
    "--health-check/--skip-health-check", " /-k", "checked", default=True, help="Whether to ask how they are."
)
def ls(checked: bool) -> Stage:
    """List the services described, and how each is. The status is 3 if one cannot be used."""

    def run(session: Session, _: Flow | None) -> Flow:
        names = session.services.entries
        if not names:
            session.note("no services are described: start a mesh (diana-cli up), or give --services FILE")
        yield from _examine_all(session, list(names)) if checked else (_described(session, name) for name in names)

    return Stage("ls", Takes.ALONE, run, _show if checked else show_table(_COLUMNS[:3]))


@click.command("check", epilog="Example: diana-cli check archive:")
@click.argument("endpoint", type=ENDPOINT)
def check(endpoint: str) -> Stage:
    """Say how an ENDPOINT is. The status is 3 if it cannot be used."""

    def run(session: Session, _: Flow | None) -> Flow:
        session.endpoint(endpoint, Checkable, "be checked")
        yield _examine(session, endpoint)

    return Stage("check", Takes.ALONE, run, _show)


def _described(session: Session, name: str) -> Item:
    entry = session.services.describe(name)
    shown = (str(entry[key]) for key in _WHERE if entry.get(key) and key not in _secrets(entry["ctype"]))
    where = next((_without_login(one) for one in shown), "")
    if where == entry.get("host") and entry.get("port"):
        where = f"{where}:{entry['port']}"
    return Item({"endpoint": name, "ctype": entry["ctype"], "where": where})


def _secrets(ctype: str) -> set[str]:
    """The settings of a kind that are secrets; an address can be one (Apprise's URLs)."""
    try:
        return {one.name for one in fields(kind(ctype).settings) if not one.repr}
    except (DianaError, TypeError):  # a package that cannot be loaded, or offers what is no settings
        return set(_WHERE)


def _without_login(where: str) -> str:
    """An address without what a URL may say before an "@": a login."""
    scheme, slashes, rest = where.partition("://")
    if not slashes:
        return where
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


def _examine(session: Session, name: str) -> Item:
    try:
        health = cast(Checkable, session.endpoint(name, Checkable, "be checked")).check()
        if not isinstance(health, Health):
            health = Health(False, "its check answers something else than its health")
    except DianaError as error:
        health = Health(False, error.message)
    except (Exception, SystemExit) as error:  # whatever an endpoint of others does, the rest are told of
        health = Health(False, f"its check failed ({type(error).__name__})")
    return _told(session, name, health)


def _told(session: Session, name: str, health: Health) -> Item:
    item = _described(session, name)
    item.meta |= {"health": "ok" if health.ok else "down", "detail": health.detail}
    return item


def _examine_all(session: Session, names: Sequence[str]) -> Iterator[Item]:
    """All at a time, told in order; one that does not answer in time is down, and left to its thread."""
    answers: SimpleQueue[tuple[str, Item]] = SimpleQueue()
    for name in names:
        Thread(target=lambda one: answers.put((one, _examine(session, one))), args=(name,), daemon=True).start()
    until = time.monotonic() + _PATIENCE_SECONDS
    found: dict[str, Item] = {}
    while len(found) < len(names):
        try:
            name, item = answers.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            break
        found[name] = item
    late = Health(False, f"did not answer within {_PATIENCE_SECONDS:.0f} seconds")
    yield from (found.get(name) or _told(session, name, late) for name in names)


def _show(session: Session, flow: Flow) -> None:
    items = list(flow)
    show_table(_COLUMNS)(session, iter(items))
    if any(item.meta["health"] != "ok" for item in items):
        raise Exit(Status.UNAVAILABLE)


COMMANDS = (ls, check)
