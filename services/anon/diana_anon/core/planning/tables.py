"""PS3.15 Table E.1-1 and the PS3.3 types that decide its choices (see tools/make_deid_tables.py).

The table gives each attribute a basic action code and, for some options, another that overrides it.
Codes such as X/Z/D leave a choice to the type of the attribute in the object's IOD, which
`attribute_type` looks up and `chosen_action` applies.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from itertools import groupby
from types import MappingProxyType
from typing import Any

EDITION = "2026c"
"""Of PS3.15; the record of the packaged table says the same."""


class Option(Enum):
    """The options of the Basic Profile (PS3.15 Section E.3), by their codes in CID 7050 (scheme DCM).

    Table E.1-1 has a column for each but the first two, which concern pixel data.
    """

    CLEAN_PIXEL_DATA = "113101"
    CLEAN_RECOGNIZABLE_VISUAL_FEATURES = "113102"
    CLEAN_GRAPHICS = "113103"
    CLEAN_STRUCTURED_CONTENT = "113104"
    CLEAN_DESCRIPTORS = "113105"
    RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES = "113106"
    RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES = "113107"
    RETAIN_PATIENT_CHARACTERISTICS = "113108"
    RETAIN_DEVICE_IDENTITY = "113109"
    RETAIN_UIDS = "113110"
    RETAIN_SAFE_PRIVATE = "113111"
    RETAIN_INSTITUTION_IDENTITY = "113112"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of Table E.1-1."""

    pattern: str
    """Eight upper-case hexadecimal digits, lower-case x for any digit ("60xx3000"), or "private" for odd groups."""
    keyword: str
    """PS3.6's keyword; empty for Curve Data and Private Attributes, which have none."""
    basic: str
    """The Basic Profile's action: X, Z, D, U, or a choice (X/Z, X/D, Z/D, X/Z/D, X/Z/U*)."""
    options: Mapping[Option, str]
    """The action, K or C, of each option that overrides the basic one."""


# The action for an attribute of type 3, of type 2 or 2C, of type 1 or 1C, and of unknown type.
_CHOICES = {
    "Z": ("Z", "Z", "D", "Z"),
    "X/Z": ("X", "Z", "D", "Z"),
    "X/D": ("X", "D", "D", "D"),
    "Z/D": ("Z", "Z", "D", "D"),
    "X/Z/D": ("X", "Z", "D", "D"),
    "X/Z/U*": ("X", "U", "U", "U"),
}
_COLUMN = {"3": 0, "2": 1, "2C": 1, "1": 2, "1C": 2, None: 3}
_STRICTEST_FIRST = ("1", "1C", "2", "2C", "3")


@cache
def rules() -> tuple[Rule, ...]:
    """Every row of the table, ordered by pattern."""
    return tuple(
        Rule(pattern, keyword, basic, MappingProxyType({Option(code): action for code, action in options.items()}))
        for pattern, keyword, basic, options in json.loads(_read("rules.json"))
    )


def attribute_type(sop_class_uid: str, tag: int, path: tuple[int, ...] = ()) -> str | None:
    """The type, 1, 1C, 2, 2C or 3, of an attribute in the IOD of a SOP Class.

    Of attributes that Table E.1-1 does not name only those of types 1 and 2 at the top of a data set are known.

    `path` is the tags of the enclosing sequences, outermost first. A sequence within itself, as in the
    content tree of a report, counts once. Where several modules of the IOD hold the attribute the
    strictest type wins; their usage (M, C, U) does not soften it, for where the attribute is present its
    module may well be. At the top of a data set an attribute that the IOD does not have is a Standard
    Extended SOP Class's, and these are of type 3 (PS3.2). None: the SOP Class, or the attribute at this
    path, is not in the tables.
    """
    iod = _types()["sop_classes"].get(sop_class_uid)
    if iod is None:
        return None
    found = _types_in(iod).get(_key(tag, path))
    return "3" if found is None and not path and f"{tag:08X}" in _named_tags() else found


def demanded_type(sop_class_uid: str, tag: int, path: tuple[int, ...] = ()) -> str | None:
    """The type, 1, 1C, 2 or 2C, of an attribute that every object of a SOP Class has to have; None of others.

    That is `attribute_type` by the IOD's mandatory modules alone: of a module that may be missing (C, U) an object
    has all or nothing, and nobody can say which.
    """
    iod = _types()["sop_classes"].get(sop_class_uid)
    found = None if iod is None else _types_in(iod, "mandatory").get(_key(tag, path))
    return None if found == "3" else found


def chosen_action(code: str, attribute_type: str | None) -> str:
    """The one action, X, Z, D, U, C or K, that a code of Table E.1-1 means for an attribute's type (Table E.1-1a).

    The first choice that keeps the object conformant: X for type 3, Z for 2 and 2C, D (U in X/Z/U*) for
    1 and 1C. Where the code lacks that one the next stronger does: D in X/D of type 2, Z in Z/D of type 3.
    Z allows "a non-zero length value that may be a dummy value", so Z of type 1 is D, and Z in X/Z/U* is U,
    which keeps references between instances whole. An unknown type (None) takes the code's last choice:
    it suits every type that the table foresees, and no choice lets the original value through.
    """
    choices = _CHOICES.get(code)
    return code if choices is None else choices[_COLUMN[attribute_type]]


def _key(tag: int, path: tuple[int, ...]) -> str:
    """The tags of path and attribute run together; a sequence directly within itself counts once."""
    return "".join(f"{step:08X}" for step in (*(outer for outer, _ in groupby(path)), tag))


@cache
def _named_tags() -> frozenset[str]:
    """The table's tags that data sets hold; groups below 0008 belong to commands, File Meta and directories."""
    return frozenset(rule.pattern for rule in rules() if rule.pattern >= "0008")


@cache
def _types() -> Any:
    return json.loads(gzip.decompress(_read("types.json.gz")))


@cache
def _types_in(iod: str, usage: str = "iods") -> dict[str, str]:
    """The types in an IOD's modules, or in its "mandatory" ones, by key; of several modules' types the strictest."""
    strictest: dict[str, str] = {}
    for module in _types()[usage][iod]:
        for key, found in _types()["modules"][module].items():
            strictest[key] = min(strictest.get(key, "3"), found, key=_STRICTEST_FIRST.index)
    return strictest


def _read(name: str) -> bytes:
    return files("diana_anon").joinpath("data", name).read_bytes()
