"""What is done to a content item of structured content, by its Concept Name (PS3.15 Table E.3.4-1).

The table is for the Clean Structured Content Option. Each row has a basic action; a column of an option that is also
chosen overrides it. Where several chosen options have an action in one row, keeping wins over cleaning, since
what a project asks to retain it needs as it is; but of the two ways to treat dates, moving wins over keeping.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from functools import cache
from importlib.resources import files

from diana_anon.core.planning.tables import Option

_MODIFIED = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES

_Row = tuple[str, Mapping[Option, str]]


def structured_action(code_value: str, scheme: str, value_type: str, options: Set[Option]) -> str | None:
    """The action (X, D, X/D, K or C) for an item of this Concept Name Code Sequence (0040,A043) and Value Type.

    `scheme` is the Coding Scheme Designator. X/D is left to the item's requirement in its template: X where it may be
    left out, D where it may not. None: the table has no row for the concept in this value type. Such an item is
    treated by what it is: names, dates, UIDs by the rows that Table E.1-1 has for their attributes, text cleaned,
    and codes, numbers and coordinates kept.
    """
    row = _rows().get((scheme, code_value, value_type))
    if row is None:
        return None
    basic, overrides = row
    chosen = {option: action for option, action in overrides.items() if option in options}
    if _MODIFIED in chosen:
        return chosen[_MODIFIED]
    return "K" if "K" in chosen.values() else next(iter(chosen.values()), basic)


@cache
def _rows() -> dict[tuple[str, str, str], _Row]:
    content = json.loads(files("diana_anon").joinpath("data", "concepts.json").read_bytes())
    return {
        (scheme, code, kind): (basic, {Option(option): action for option, action in overrides.items()})
        for scheme, code, kind, basic, overrides in content
    }
