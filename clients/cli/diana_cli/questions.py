"""The options that say which records are meant, alike for all commands that ask the index."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import rich_click as click

from diana_cli.selection import array_option, in_option
from diana_common.settings import nearest
from diana_endpoints import levels
from diana_endpoints.headers import as_text
from diana_endpoints.protocol.query import Matches, Query

_NESTED = re.compile(r"\w+(\.\w+)+")
"""An attribute within sequences; a private one, in brackets, is a key by itself."""

LEVELS = tuple(level.name for level in levels.LEVELS)

ACCESSIONS = array_option("-a", "--accession", "accessions", told="Accession numbers, any of which may match")
TODAY = click.option("--today", is_flag=True, help="Studies of today.")

_TOGETHER = 100
"""Accession numbers of one question, where several may match."""

_OPTIONS = (
    in_option("index:", "Where to ask."),
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


def matches_of(tree: Mapping[str, Any]) -> Matches:
    """The matches that a MAPPING means: a value or several, a mapping for the items of a sequence, null for any.

    Raises click.BadParameter.
    """
    return {name: matches_of(told) if isinstance(told, dict) else _values(name, told) for name, told in tree.items()}


def today() -> str:
    """The day as DICOM has it."""
    return date.today().strftime("%Y%m%d")


def by_accessions(query: Query, numbers: Sequence[str], together: int = _TOGETHER) -> Iterator[Query]:
    """The question, for every so many of these accession numbers; as it is where there are none."""
    if not numbers:
        yield query
    for start in range(0, len(numbers), together):
        yield replace(query, matches={**query.matches, "AccessionNumber": list(numbers[start : start + together])})


def query_of(matches: Mapping[str, Any], options: Mapping[str, Any]) -> Query:
    """The question of mappings; options are level, return_keys, where and store. Raises click.BadParameter."""
    known = {"level": str, "return_keys": list, "where": str, "store": str}
    for name, told in options.items():
        if name not in known:
            raise click.BadParameter(f"{name} is no option of find; {nearest(name, known)}")
        if not isinstance(told, known[name]):
            raise click.BadParameter(f"{name} must be a {'list' if known[name] is list else 'text'}")
    level = options.get("level", "study")
    if level not in LEVELS:
        raise click.BadParameter(f"level is one of {', '.join(LEVELS)}")
    return Query(**{**options, "level": level, "matches": matches_of(matches)})


def _values(name: str, told: Any) -> list[str]:
    values = told if isinstance(told, list) else [told]
    if any(isinstance(value, (list, dict)) for value in values):
        raise click.BadParameter(f"{name} must have values, or a mapping for the items of a sequence")
    if not values or (len(values) > 1 and not all(as_text(value).strip() for value in values)):
        # An empty value matches any: a list that has come to nothing must not mean everything.
        raise click.BadParameter(f"{name} {'lists a value that is empty' if values else 'has no values'}")
    return [as_text(value) for value in values]


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
