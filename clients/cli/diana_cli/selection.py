"""Which items of which endpoint a command means: SOURCE and ITEMS by place, as in the older system, or by options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rich_click as click
from click.core import ParameterSource

from diana_cli.chain import Flow, required
from diana_cli.params import ARRAY, ENDPOINT, MAPPING
from diana_endpoints.items import Item

KWARGS = click.option(
    "-k", "--kwargs", "more", type=MAPPING, help="Metadata for each item that is meant, such as 'level: series'."
)


def in_option(default: str, told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option --in for the endpoint that a command uses."""
    return click.option("--in", "endpoint", type=ENDPOINT, default=default, show_default=True, help=told)


def array_option(*names: str, told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that is an ARRAY, and may be repeated; the command gets all values as one tuple."""

    def together(_: click.Context, __: click.Parameter, given: Sequence[Sequence[str]]) -> tuple[str, ...]:
        return tuple(one for some in given for one in some)

    help_text = f"{told}; @FILE has one a line; may be repeated."
    return click.option(*names, type=ARRAY, multiple=True, metavar="ARRAY", callback=together, help=help_text)


def _uid_option(option: str, name: str, told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def given(context: click.Context, _: click.Parameter, uid: str) -> str:
        if not uid.strip() and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.BadParameter("has no value")  # and would mean all that the chain brings
        return uid

    return click.option(option, name, default="", metavar="UID", callback=given, help=told)


_UIDS = (
    _uid_option("--instance", "sop_instance_uid", "A SOP Instance UID."),
    _uid_option("--series", "series_uid", "A Series Instance UID; needs --study."),
    _uid_option("--study", "study_uid", "A Study Instance UID."),
)


def placed(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The arguments [SOURCE] [ITEMS], and the option for the endpoint, called `name`, that they stand for."""

    def with_them(command: Callable[..., Any]) -> Callable[..., Any]:
        where = click.option(
            name, "endpoint", type=ENDPOINT, default="archive:", show_default=True, help="The endpoint, as SOURCE."
        )
        items = click.argument("items", type=ARRAY, required=False, metavar="[ITEMS]")
        return click.argument("source", type=ENDPOINT, required=False, metavar="[SOURCE]")(items(where(command)))

    return with_them


def uid_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --study, --series and --instance."""
    for option in _UIDS:
        command = option(command)
    return command


def source_of(source: str | None, endpoint: str) -> str:
    """The endpoint that is meant. Raises click.UsageError if it is named twice."""
    context = click.get_current_context(silent=True)
    if source and context and context.get_parameter_source("endpoint") is ParameterSource.COMMANDLINE:
        raise click.UsageError("name the endpoint once: as SOURCE, or with the option.")
    return source or endpoint


def wanted(
    study_uid: str,
    series_uid: str,
    sop_instance_uid: str,
    items: Sequence[str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> list[Item] | None:
    """The items that ITEMS, or --study, --series and --instance, name; None if those before in the chain do.

    `more` is metadata for each.
    """
    if series_uid and not study_uid:
        raise click.UsageError("--series needs --study.")
    uids = {"study_uid": study_uid, "series_uid": series_uid, "sop_instance_uid": sop_instance_uid}
    named = {key: uid for key, uid in uids.items() if uid}
    if named and items is not None:
        raise click.UsageError("name what is wanted once: with ITEMS, or by UID.")
    if named:
        return [Item({**(more or {}), **named})]
    return None if items is None else with_ids(items, more)


def with_ids(items: Sequence[str], more: Mapping[str, Any] | None = None) -> list[Item]:
    """Items by id, each with `more` as metadata."""
    return [Item({**(more or {}), "id": one}, number=number) for number, one in enumerate(items, 1)]


def either(named: Sequence[Item] | None, flow: Flow | None, more: Mapping[str, Any] | None = None) -> Flow:
    """The items named, else those of the chain, with `more` as metadata."""
    if named is not None:
        yield from named
        return
    for item in required(flow):
        item.meta |= more or {}
        yield item
