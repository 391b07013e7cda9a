"""A profile compiled into rules: for every tag, at every place in an object, what is done to it.

Order of precedence: identity is replaced; private attributes and what has no place in a data set go; then the
profile's options and the Basic Profile's column of Table E.1-1 (PS3.15 Annex E), where types in the object's IOD
choose among X, Z and D; then what the table leaves out. An attribute PS3.6 does not know goes, since nobody can say
that it is safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, lru_cache
from types import MappingProxyType
from typing import NamedTuple

from diana_anon.core import content, tables
from diana_anon.core.profile import Profile
from diana_anon.core.supplement import may_tell
from diana_anon.core.uids import names_a_kind
from diana_common.dicom.vr import implicit_vr


class Kind(Enum):
    """What is done to an element."""

    KEEP = auto()
    REMOVE = auto()
    EMPTY = auto()
    DUMMY = auto()
    WALK = auto()
    """A sequence: each item by its own rules."""
    MAP = auto()
    """UIDs to other UIDs."""
    SHIFT = auto()
    """A date or time moved, or what `otherwise` says if it cannot be read."""
    PATIENT_ID = auto()
    PATIENT_NAME = auto()
    BIRTH_DATE = auto()


class Rule(NamedTuple):
    """The rule for one tag at one place; `vr` is the dictionary's.

    `otherwise` is for a date that cannot be read, and for a sequence without items.
    """

    kind: Kind
    vr: str = ""
    otherwise: Kind = Kind.REMOVE


class Method(NamedTuple):
    """A code of CID 7050 De-identification Method, its scheme DCM."""

    value: str
    meaning: str


@dataclass(frozen=True, eq=False)
class Plan:
    """What `compile_plan` makes: never changed, shared by all threads."""

    profile: Profile
    codes: Mapping[int, str]
    """Action codes by tag; rows of Table E.1-1 for groups of tags are the plan's own business."""
    methods: tuple[Method, ...]
    description: str
    """For De-identification Method (0012,0063): at most 64 characters."""

    def level(self, sop_class_uid: str, path: tuple[int, ...]) -> Level:
        """The rules inside the sequences of `path` (tags, outermost first) of an object of this SOP Class."""
        return _level(self, sop_class_uid, path)


class Level(dict[int, Rule]):
    """The rules at one place, each worked out when first asked for: `level[tag]`."""

    def __init__(self, plan: Plan, sop_class_uid: str, path: tuple[int, ...]) -> None:
        super().__init__()
        self._plan = plan
        self._sop_class_uid = sop_class_uid
        self._path = path

    def __missing__(self, tag: int) -> Rule:
        vr = implicit_vr(tag)
        if tag in IDENTITY:
            rule = Rule(IDENTITY[tag], vr)
        elif tag & 0x10000 or _out_of_place(tag) or (vr == "UN" and tag not in self._plan.codes):
            return _REMOVED  # not remembered: there are too many such tags
        elif content.CONTENT_SEQUENCE in self._path:
            rule = self._in_content(tag, vr)
        else:
            rule = self._by_table(tag, vr)
        return self.setdefault(tag, rule) if len(self) < _REMEMBERED else rule

    def _in_content(self, tag: int, vr: str) -> Rule:
        if tag in content.BY_TABLE:
            return self._by_table(tag, vr)
        for tags, kind in _IN_CONTENT:
            if tag in tags:
                return Rule(kind, vr)
        return _REMOVED

    def _by_table(self, tag: int, vr: str) -> Rule:
        code = self._plan.codes.get(tag)
        if code is None:
            return self._unlisted(tag, vr)
        if code == "C":
            return Rule(Kind.SHIFT, vr, self._basic(tag, vr).kind)
        return self._chosen(tag, vr, code)

    def _basic(self, tag: int, vr: str) -> Rule:
        return self._chosen(tag, vr, _basic_codes()[tag])

    def _chosen(self, tag: int, vr: str, code: str) -> Rule:
        action = tables.chosen_action(code, tables.attribute_type(self._sop_class_uid, tag, self._path))
        if action == "D" and tag == content.CONTENT_SEQUENCE:
            return Rule(Kind.WALK, vr, Kind.DUMMY)
        if action == "U" and vr == "SQ":
            return Rule(Kind.WALK, vr)
        if action == "D" and vr == "UI":
            return Rule(Kind.MAP, vr)
        return Rule(_KINDS[action], vr)

    def _unlisted(self, tag: int, vr: str) -> Rule:
        if tag == content.TEXT_VALUE:
            return Rule(Kind.DUMMY, vr)
        if vr == "SQ":
            return Rule(Kind.WALK, vr)
        if vr == "UI" and not names_a_kind(tag):
            return Rule(Kind.MAP, vr)
        if vr in _TEMPORAL:
            return Rule(Kind.SHIFT if self._plan.profile.shifts_dates else Kind.REMOVE, vr)
        return Rule(Kind.REMOVE if may_tell(tag, vr) else Kind.KEEP, vr)


def compile_plan(profile: Profile) -> Plan:
    """The rules of a profile; done once, then shared."""
    codes, methods = dict(_basic_codes()), [_BASIC]
    description = f"DIANA mesh: PS3.15 {tables.EDITION} Basic Profile"
    if profile.shifts_dates:
        codes.update(_shifted_codes())
        methods.append(_MODIFIED_DATES)
        description += ", modified dates"
    return Plan(profile, MappingProxyType(codes), tuple(methods), description)


@cache
def _basic_codes() -> Mapping[int, str]:
    return {int(rule.pattern, 16): rule.basic for rule in tables.rules() if _exact(rule)}


def _shifted_codes() -> dict[int, str]:
    """Dates and times the option has cleaned; Timezone Offset From UTC, which has no date to move, is not kept."""
    option = tables.Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES
    listed = {int(rule.pattern, 16): rule.options.get(option) for rule in tables.rules() if _exact(rule)}
    return {tag: "C" for tag, code in listed.items() if code == "C" and implicit_vr(tag) in _TEMPORAL}


def _exact(rule: tables.Rule) -> bool:
    return "x" not in rule.pattern and rule.pattern != "private"


def _out_of_place(tag: int) -> bool:
    """Group lengths, commands, File Meta, the method attributes we write ourselves, curves and overlays.

    An overlay without its data means nothing, and its label and description are free text: the group goes whole.
    """
    group = tag >> 16
    return not tag & 0xFFFF or group <= 0x0002 or group & 0xFF00 in (0x5000, 0x6000) or tag in METHOD_TAGS


@lru_cache(maxsize=512)
def _level(plan: Plan, sop_class_uid: str, path: tuple[int, ...]) -> Level:
    return Level(plan, sop_class_uid, path)


METHOD_TAGS = frozenset({0x00120062, 0x00120063, 0x00120064, 0x00280303})
"""Patient Identity Removed, De-identification Method and its codes, Longitudinal Temporal Information Modified."""

IDENTITY = {0x00100010: Kind.PATIENT_NAME, 0x00100020: Kind.PATIENT_ID, 0x00100030: Kind.BIRTH_DATE}
"""The attributes that say who the patient is, wherever they stand."""

_REMEMBERED = 2048
"""Rules kept at one place: more than honest objects ask for, fewer than hostile ones could."""
_TEMPORAL = frozenset({"DA", "DT", "TM"})
_REMOVED = Rule(Kind.REMOVE)
_KINDS = {"X": Kind.REMOVE, "Z": Kind.EMPTY, "D": Kind.DUMMY, "U": Kind.MAP}
_IN_CONTENT = (
    (content.KEPT, Kind.KEEP),
    (content.WALKED, Kind.WALK),
    (content.REPLACED, Kind.DUMMY),
    (content.EMPTIED, Kind.EMPTY),
)
_BASIC = Method("113100", "Basic Application Confidentiality Profile")
_MODIFIED_DATES = Method("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
