"""What PS3.15 says of each attribute, as the extract in data/standard.json has it: the examiner's own copy."""

from __future__ import annotations

import json
from collections.abc import Set
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

Options = Set[str]
"""The options of a profile by the extract's column names, such as clean_desc."""

MODIFIED_DATES = "rtn_long_modif_dates"
CLEAN_DESCRIPTORS = "clean_desc"
STRUCTURED_CONTENT = "clean_struct_cont"
CHARACTERISTICS = "rtn_pat_chars"
SAFE_PRIVATE = "rtn_safe_priv"
CLEAN_GRAPHICS = "clean_graph"
DEVICE = "rtn_dev_id"
INSTITUTION = "rtn_inst_id"
UIDS = "rtn_uids"

# Of several options that say something of one row the one that keeps least, but for dates, where one is chosen.
_WEIGHT = {"C": 0, "K": 1}


class Row(NamedTuple):
    """A row of Table E.1-1 for one tag."""

    tag: int
    keyword: str
    vr: str
    basic: str
    options: dict[str, str]

    def action(self, options: Options) -> str:
        """The action code under a profile with these options."""
        return _action(self.basic, self.options, options)


class SafePrivate(NamedTuple):
    """A row of Table E.3.10-1: `element` is the low byte, counted within its creator's block."""

    group: int
    element: int
    creator: str
    vr: str
    vm: str


class Concept(NamedTuple):
    """A row of Table E.3.4-1."""

    code: str
    scheme: str
    meaning: str
    value_type: str
    basic: str
    options: dict[str, str]

    def action(self, options: Options) -> str:
        """The action code under a profile with these options."""
        return _action(self.basic, self.options, options)


@cache
def rows() -> dict[int, Row]:
    """Table E.1-1 by tag, without its rows for groups of tags."""
    exact = (row for row in _facts()["table_e1_1"] if not set(row[0].lower()) & set("xg"))
    return {tag_of(row[0]): Row(tag_of(row[0]), *row[1:]) for row in exact}


@cache
def safe_private() -> tuple[SafePrivate, ...]:
    """Table E.3.10-1."""
    return tuple(
        SafePrivate(int(element[:4], 16), int(element[-2:], 16), creator, vr, vm)
        for element, creator, vr, vm in _facts()["table_e3_10_1"]
    )


@cache
def concepts() -> tuple[Concept, ...]:
    """Table E.3.4-1."""
    return tuple(Concept(*row) for row in _facts()["table_e3_4_1"])


@cache
def technical() -> tuple[tuple[int, str, str], ...]:
    """Tag, keyword and VR of attributes of one coded or numeric value that Table E.1-1 does not list."""
    return tuple((tag_of(tag), keyword, vr) for tag, keyword, vr in _facts()["technical"])


def tag_of(text: str) -> int:
    """ "0008,0050" as a number."""
    return int(text.replace(",", ""), 16)


def _action(basic: str, by_option: dict[str, str], options: Options) -> str:
    chosen = [by_option[option] for option in sorted(options) if option in by_option]
    return min(chosen, key=lambda action: _WEIGHT.get(action, 2)) if chosen else basic


@cache
def _facts() -> dict[str, Any]:
    return dict(json.loads((Path(__file__).parent / "data" / "standard.json").read_text()))
