"""The options that say which records are meant, alike for all commands that ask the index."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rich_click as click

from diana_endpoints.protocol.index import Matches, Query

_NESTED = re.compile(r"\w+(\.\w+)+")
"""An attribute within sequences; a private one, in brackets, is a key by itself."""

LEVELS = ("patient", "study", "series", "instance")

_OPTIONS = (
    click.option("--in", "endpoint", default="index:", show_default=True, metavar="ENDPOINT", help="Where to ask."),
    click.option("--at-least", default="", metavar="POSITION", help="Wait until the index knows this position."),
    click.option("--store", default="", metavar="NAME", help="Ask this store instead of the endpoint's."),
    click.option("--combined-date-times", is_flag=True, help="Take ranges of a date and of its time as one range."),
    click.option("--fuzzy-names", is_flag=True, help="Match names by sound and spelling."),
    click.option("--filter", "where", default="", metavar="EXPRESSION", help="Must be met as well."),
    click.option(
        "-m",
        "--match",
        "matches",
        multiple=True,
        metavar="ATTRIBUTE=VALUE",
        help="Must match, as C-FIND matches; may be repeated. SEQUENCE.ATTRIBUTE is one within a sequence.",
    ),
    click.option("--level", type=click.Choice(LEVELS), default="study", show_default=True, help="What to look for."),
)


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a question: pass what `command` gets of them to `make_query`, all but `endpoint`."""
    for option in _OPTIONS:
        command = option(command)
    return command


def make_query(
    level: str,
    matches: tuple[str, ...],
    where: str,
    fuzzy_names: bool,
    combined_date_times: bool,
    store: str,
    at_least: str,
    names: Sequence[str] = (),
    order_by: Sequence[str] = (),
) -> Query:
    """The question that the options make; `names` are the attributes to return."""
    return Query(
        level,
        parse_matches(matches),
        names,
        order_by,
        at_least,
        where=where,
        fuzzy_names=fuzzy_names,
        combined_date_times=combined_date_times,
        store=store,
    )


def parse_matches(matches: tuple[str, ...]) -> Matches:
    """Values by attribute; several attributes within one sequence are to be met by one item of it.

    Raises click.BadParameter.
    """
    parsed: dict[str, list[str]] = {}
    for match in matches:
        attribute_name, equals, value = match.partition("=")
        if not equals or not attribute_name:
            raise click.BadParameter("must be ATTRIBUTE=VALUE", param_hint="--match")
        parsed.setdefault(attribute_name, []).append(value)
    return _in_items(parsed)


def _in_items(parsed: Mapping[str, list[str]]) -> Matches:
    sequences: dict[str, dict[str, list[str]]] = {}
    for name, values in parsed.items():
        if _NESTED.fullmatch(name):
            sequence, _, inner = name.partition(".")
            sequences.setdefault(sequence, {})[inner] = values
    items = {name: inner for name, inner in sequences.items() if len(inner) > 1}
    found: dict[str, Sequence[str] | Matches] = {
        name: values for name, values in parsed.items() if name.partition(".")[0] not in items
    }
    return found | {name: _in_items(inner) for name, inner in items.items()}
