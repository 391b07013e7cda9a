"""The options of the Basic Profile (PS3.15 section E.3): the action code that a choice of them gives each attribute.

An option's code of Table E.1-1 takes the place of the basic one. Where one chosen option keeps an attribute (K) and
another cleans it (C), it is cleaned: a device's true calibration date (Retain Device Identity) beside dates that are
moved (Modified Dates) would tell how far they were moved. Full and Modified Dates exclude one another (E.3.6), and
Clean Recognizable Visual Features (E.3.2) is refused: nothing here finds a face.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import NamedTuple

from diana_anon.core.planning import tables
from diana_anon.core.planning.rules import TEMPORAL_VRS
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Profile
from diana_common.dicom.vr import implicit_vr
from diana_common.errors import DianaError, FieldViolation, Reason


class Method(NamedTuple):
    """A code of CID 7050 De-identification Method, its scheme DCM."""

    value: str
    meaning: str


FULL_DATES = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES
MODIFIED_DATES = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES

_BASIC = Method("113100", "Basic Application Confidentiality Profile")
_PROFILE = f"DIANA mesh: PS3.15 {tables.EDITION} Basic Profile"
_MEANINGS = {
    Option.CLEAN_PIXEL_DATA: "Clean Pixel Data Option",
    Option.CLEAN_GRAPHICS: "Clean Graphics Option",
    Option.CLEAN_STRUCTURED_CONTENT: "Clean Structured Content Option",
    Option.CLEAN_DESCRIPTORS: "Clean Descriptors Option",
    FULL_DATES: "Retain Longitudinal Temporal Information Full Dates Option",
    MODIFIED_DATES: "Retain Longitudinal Temporal Information Modified Dates Option",
    Option.RETAIN_PATIENT_CHARACTERISTICS: "Retain Patient Characteristics Option",
    Option.RETAIN_DEVICE_IDENTITY: "Retain Device Identity Option",
    Option.RETAIN_UIDS: "Retain UIDs Option",
    Option.RETAIN_SAFE_PRIVATE: "Retain Safe Private Option",
    Option.RETAIN_INSTITUTION_IDENTITY: "Retain Institution Identity Option",
}


def fault(options: frozenset[Option]) -> str:
    """What is wrong with a choice of options; empty if nothing is."""
    if Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES in options:
        return "113102 (Clean Recognizable Visual Features Option) is not supported: nothing here finds faces"
    if FULL_DATES in options and MODIFIED_DATES in options:
        return "113106 (full dates) and 113107 (modified dates) exclude one another"
    return ""


def check(profile: Profile) -> None:
    """Raises PROFILE_INVALID, which names `options`."""
    if found := fault(profile.options):
        raise DianaError(Reason.PROFILE_INVALID, f"options: {found}", fields=[FieldViolation("options", found)])


def methods(profile: Profile) -> tuple[Method, ...]:
    """The codes for what the profile does, by their values."""
    chosen = sorted(profile.options, key=lambda option: option.value)
    return (_BASIC, *(Method(option.value, _MEANINGS[option]) for option in chosen))


@lru_cache(maxsize=64)
def description(chosen: tuple[Method, ...]) -> str:
    """For De-identification Method (0012,0063): a value for each, of at most 64 characters."""
    return "\\".join((_PROFILE, *(method.meaning for method in chosen if method is not _BASIC)))


def codes(options: Iterable[Option]) -> dict[int, str]:
    """The action code of every attribute that Table E.1-1 has a row of its own for."""
    chosen = frozenset(options)
    found = dict(basic_codes())
    for rule in _rules():
        tag = int(rule.pattern, 16)
        actions = {action for option, action in rule.options.items() if option in chosen and _means(tag, option)}
        if actions:
            found[tag] = min(actions)  # C before K
    return found


@cache
def basic_codes() -> Mapping[int, str]:
    """The Basic Profile's code by tag."""
    return {int(rule.pattern, 16): rule.basic for rule in _rules()}


@cache
def _rules() -> tuple[tables.Rule, ...]:
    """The rows for single attributes; those for groups of them are the plan's own business."""
    return tuple(rule for rule in tables.rules() if "x" not in rule.pattern and rule.pattern != "private")


def _means(tag: int, option: Option) -> bool:
    """Whether an option has a say. What says when, but is no date (Timezone Offset From UTC), can't be moved."""
    return option is not MODIFIED_DATES or implicit_vr(tag) in TEMPORAL_VRS
