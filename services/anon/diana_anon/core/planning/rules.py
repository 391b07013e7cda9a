"""What a rule says: a kind of action, and what to do where that can't be done."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple


class Kind(Enum):
    """What is done to an element."""

    __hash__ = object.__hash__  # members are single; Enum's own is slow

    KEEP = auto()
    REMOVE = auto()
    EMPTY = auto()
    DUMMY = auto()
    WALK = auto()
    """A sequence: each item by its own rules."""
    MAP = auto()
    """UIDs to other UIDs."""
    ACCESSION = auto()
    """An accession number to another."""
    SHIFT = auto()
    """A date or time moved, or what `otherwise` says if it can't be read."""
    CLEAN = auto()
    """Text without identifiers, or what `otherwise` says if nothing is left or it can't be cleaned."""
    AGE = auto()
    """Kept, but that every age over 89 years is 090Y."""
    REPLACE = auto()
    """The rule's own value."""
    PATIENT_ID = auto()
    PATIENT_NAME = auto()
    BIRTH_DATE = auto()
    TRUE_BIRTH_DATE = auto()
    """The patient's own, but that nobody over 89 can be told by it."""


class Rule(NamedTuple):
    """The rule for one tag at one place; `vr` is the dictionary's, empty for a private attribute of unknown VR.

    `otherwise` is for a value that can't be treated as `kind` says, and for a sequence without items. `value` is for
    `Kind.REPLACE`.
    """

    kind: Kind
    vr: str = ""
    otherwise: Kind = Kind.REMOVE
    value: bytes = b""


REMOVED = Rule(Kind.REMOVE)

ACTIONS: dict[Kind, str] = {
    Kind.KEEP: "keep",
    Kind.WALK: "keep",
    Kind.REMOVE: "remove",
    Kind.EMPTY: "empty",
    Kind.DUMMY: "dummy",
    Kind.MAP: "map",
    Kind.ACCESSION: "map",
    Kind.SHIFT: "shift",
    Kind.CLEAN: "clean",
    Kind.AGE: "clean",
    Kind.REPLACE: "replace",
    Kind.PATIENT_ID: "identity",
    Kind.PATIENT_NAME: "identity",
    Kind.BIRTH_DATE: "identity",
    Kind.TRUE_BIRTH_DATE: "clean",
}
"""How logs and explanations name the kinds: as profiles do, or "identity" for what the mint gives."""

TEXT_VRS = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
"""Encoded as text (PS3.5 6.2)."""

FREE_TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
"""Of words that people write."""

LONG_TEXT_VRS = frozenset({"LT", "ST", "UT"})

TEMPORAL_VRS = frozenset({"DA", "DT", "TM"})

Path = tuple[int, ...]
"""The sequences around an attribute, outermost first: their tags, or `private.place` for private ones."""


def path_into(path: Path, step: int) -> Path:
    """The path inside a sequence; one within itself, as in a content tree, counts once."""
    return path[: path.index(step) + 1] if step in path else (*path, step)
