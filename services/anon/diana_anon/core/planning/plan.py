"""A profile compiled into rules: for every tag, at every place in an object, what is done to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, reduce

from diana_anon.core.planning import options, overrides, private
from diana_anon.core.planning.level import Level
from diana_anon.core.planning.options import FULL_DATES, Method
from diana_anon.core.planning.overrides import IDENTITY, METHOD_TAGS
from diana_anon.core.planning.rules import Kind, Path, Rule, path_into
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Action, Override, Profile
from diana_anon.core.rewriting.content import CONTENT_SEQUENCE, Item
from diana_common.conditions import Header
from diana_common.dicom.vr import implicit_vr

__all__ = ["IDENTITY", "METHOD_TAGS", "Kind", "Level", "Method", "Plan", "Rule", "compile_plan"]


class Plan:
    """What `compile_plan` makes: shared by all threads. It keeps the rules it has worked out."""

    def __init__(self, profile: Profile, codes: Mapping[int, str], held: tuple[Override, ...]) -> None:
        self.profile = profile
        self.codes = codes
        """Action codes by tag; rows of Table E.1-1 for groups of tags are the plan's own business."""
        self.overrides = held
        """Those of the profile's that are in force."""
        self.methods = options.methods(profile)
        sequences = frozenset(tag for tag, code in codes.items() if code == "C" and implicit_vr(tag) == "SQ")
        self.structured = sequences & _STRUCTURED
        """Sequences of content items, each treated by its concept (Clean Structured Content Option)."""
        self.cleaned = sequences
        """Sequences in which all text is cleaned."""
        self.safe_private = private.safe() if Option.RETAIN_SAFE_PRIVATE in profile.options else {}
        """VRs by `private.place`."""
        self.keeps_private = bool(self.safe_private) or any(_is_private(one) for one in held)
        self.keeps_uids = Option.RETAIN_UIDS in profile.options
        self.cleans_descriptors = Option.CLEAN_DESCRIPTORS in profile.options
        self.dates = Kind.SHIFT if profile.shifts_dates else Kind.KEEP if FULL_DATES in profile.options else Kind.REMOVE
        """What is done to a date that has no row in the table."""
        self.temporal_information = _temporal_information(profile, held)
        """For Longitudinal Temporal Information Modified (0028,0303), PS3.3 C.12.1."""
        self.removes_identity = not any(_keeps_identity(one) for one in held)
        """For Patient Identity Removed (0012,0062)."""
        self._is_conditional = any(one.condition is not None for one in profile.overrides)
        self._levels: dict[tuple[str, Path, Item | None], Level] = {}
        self._with = lru_cache(_PLANS)(self._holding)

    def for_object(self, header: Header) -> Plan:
        """The plan for one instance: also with those overrides whose conditions hold for it."""
        if not self._is_conditional:
            return self
        return self._with(tuple(one.condition is None or one.condition(header) for one in self.profile.overrides))

    def level(self, sop_class_uid: str, path: Path = (), item: Item | None = None) -> Level:
        """The rules inside the sequences of `path` (tags, outermost first) of an object of this SOP Class."""
        key = sop_class_uid, reduce(path_into, path, _TOP), item
        level = self._levels.get(key)
        if level is None:
            if len(self._levels) >= _LEVELS:
                self._levels.clear()
            level = self._levels[key] = Level(self, *key)
        return level

    def _holding(self, holds: tuple[bool, ...]) -> Plan:
        held = tuple(one for one, holding in zip(self.profile.overrides, holds, strict=True) if holding)
        return Plan(self.profile, self.codes, held)


def compile_plan(profile: Profile) -> Plan:
    """The rules of a profile; done once, then shared. Overrides with a condition wait for `Plan.for_object`.

    Raises PROFILE_INVALID for options that can't be had, or not together, and for overrides that can't be followed.
    """
    options.check(profile)
    overrides.check(profile)
    unconditional = tuple(one for one in profile.overrides if one.condition is None)
    return Plan(profile, options.codes(profile.options), unconditional)


def _temporal_information(profile: Profile, held: tuple[Override, ...]) -> str:
    if profile.shifts_dates or any(one.action is Action.SHIFT for one in held):
        return "MODIFIED"
    return "UNMODIFIED" if FULL_DATES in profile.options else "REMOVED"


def _is_private(override: Override) -> bool:
    return any(step.creator for step in override.path.steps)


def _keeps_identity(override: Override) -> bool:
    return override.action is Action.KEEP and override.path.steps[-1].tag in IDENTITY


_STRUCTURED = frozenset({CONTENT_SEQUENCE, 0x00400555, 0x00400610, 0x0040B020})
"""Content, Acquisition Context, Specimen Preparation and Waveform Annotation Sequence."""
_TOP: Path = ()
_LEVELS = 1024
"""Levels kept by a plan. Hostile objects may ask for any number: then all are forgotten, and made anew."""
_PLANS = 64
"""Plans kept for combinations of overrides that held together."""
