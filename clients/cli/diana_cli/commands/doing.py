"""do: an endpoint's methods by name, those of all kinds and those of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import rich_click as click
from click.exceptions import Exit

from diana_cli.chain import Flow, Stage, Takes, show_lines
from diana_cli.commands.removal import apply, confirm
from diana_cli.commands.setmeta import update_each
from diana_cli.commands.transfer import get_each
from diana_cli.exits import Status
from diana_cli.params import ENDPOINT, MAPPING, VALUES
from diana_cli.questions import query_of
from diana_cli.selection import either, with_ids
from diana_cli.session import Session
from diana_cli.tables import meta_column, show_table
from diana_cli.words import Worded
from diana_common.errors import invalid_field
from diana_common.settings import nearest
from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Checkable, Endpoint
from diana_endpoints.protocol.items import Deleter, Finder, Getter, Handler, Lister, Putter, Updater


@dataclass(frozen=True)
class Call:
    """What is to be done, and with what."""

    arguments: Sequence[Any] | None
    mapping: Mapping[str, Any]
    options: Mapping[str, Any]

    def items(self, flow: Flow | None) -> Flow:
        """The items that are meant: by id, else those of the chain."""
        named = None if self.arguments is None else with_ids([str(one) for one in self.arguments], self.options)
        return either(named, flow, self.options)


@click.command(
    "do",
    cls=Worded,
    epilog="Example: diana-cli do redis: get -g my_key print\n\nExample: diana-cli do orthanc: methods",
)
@click.argument("endpoint", type=ENDPOINT)
@click.argument("method")
@click.option("-g", "--args", "arguments", type=VALUES, help="What the method is given, in order: ids, mostly.")
@click.option("-m", "--mapargs", "mapping", type=MAPPING, help="What it is given by name: a question, changes.")
@click.option("-k", "--kwargs", "options", type=MAPPING, help="Its options.")
@click.option("--yes", is_flag=True, help="Do not ask before delete.")
def do(
    endpoint: str,
    method: str,
    arguments: list[Any] | None,
    mapping: dict[str, Any] | None,
    options: dict[str, Any] | None,
    yes: bool,
) -> Stage:
    """Have an endpoint do what METHOD names.

    Of all kinds, where they can: check, list, get, find, put, update, delete. What a kind can do besides is told by
    the method `methods`. Without -g, get, update and delete mean the items before.
    """
    call = Call(arguments, mapping or {}, options or {})
    chained = method == "put" or (arguments is None and method in ("get", "update", "delete"))

    def run(session: Session, flow: Flow | None) -> Flow:
        target = session.services.endpoint(endpoint)
        act = _method(target, method)
        if method == "delete" and not yes:
            confirm(None if arguments is None else list(call.items(None)))
        yield from act(call, flow)

    show = show_table(_METHODS) if method == "methods" else show_lines
    return Stage("do", Takes.ITEMS if chained else Takes.NOTHING, run, show)


def _method(target: Endpoint, method: str) -> Callable[[Call, Flow | None], Flow]:
    """What does it. Raises DianaError INVALID_FIELD for what the endpoint cannot do."""
    if method == "methods":
        return lambda _call, _flow: (Item({"method": name, "does": does}) for name, does in _methods(target).items())
    role, act = _ROLES.get(method, (Handler, partial(_handle, method)))
    known = _methods(target)
    if method not in known or not isinstance(target, role):
        raise invalid_field("METHOD", f"is none of this endpoint's; {nearest(method, known)}")
    return partial(act, target)


def _methods(target: Endpoint) -> dict[str, str]:
    own = dict(target.methods) if isinstance(target, Handler) else {}
    return own | {
        name: f"as `diana-cli {_VERBS[name]}`" for name, (role, _) in _ROLES.items() if isinstance(target, role)
    }


def _check(target: Endpoint, _: Call, _flow: Flow | None) -> Flow:
    health = cast(Checkable, target).check()
    yield Item({"health": "ok" if health.ok else "down", "detail": health.detail})
    if not health.ok:
        raise Exit(Status.UNAVAILABLE)


def _list(target: Endpoint, _: Call, _flow: Flow | None) -> Flow:
    return cast(Lister, target).list()


def _get(target: Endpoint, call: Call, flow: Flow | None) -> Flow:
    return get_each(cast(Getter, target), call.items(flow))


def _find(target: Endpoint, call: Call, _: Flow | None) -> Flow:
    return cast(Finder, target).find(query_of(call.mapping, call.options))


def _put(target: Endpoint, call: Call, flow: Flow | None) -> Flow:
    return cast(Putter, target).put(either(None, flow, call.options))


def _update(target: Endpoint, call: Call, flow: Flow | None) -> Flow:
    return update_each(cast(Updater, target), call.items(flow), call.mapping)


def _delete(target: Endpoint, call: Call, flow: Flow | None) -> Flow:
    return apply(cast(Deleter, target).delete, "deleted", call.items(flow))


def _handle(method: str, target: Endpoint, call: Call, _: Flow | None) -> Flow:
    given = [*(call.arguments or []), *([call.mapping] if call.mapping else [])]
    return cast(Handler, target).handle(method, given, call.options)


_ROLES: dict[str, tuple[type, Callable[[Endpoint, Call, Flow | None], Flow]]] = {
    "check": (Checkable, _check),
    "list": (Lister, _list),
    "get": (Getter, _get),
    "find": (Finder, _find),
    "put": (Putter, _put),
    "update": (Updater, _update),
    "delete": (Deleter, _delete),
}
_METHODS = (meta_column("Method", "method"), meta_column("", "does"))
_VERBS = {name: "dgetall" if name == "list" else name for name in _ROLES}

COMMANDS = (do,)
