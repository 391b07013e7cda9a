"""A profile's overrides: what each makes of the attributes it is for, and what none may do.

What an object is, how its file is laid out and which instance it is must stay true, or nothing could read or find it:
SOP Class UID and the pixels are beyond overrides, and the UIDs of study, series and instance may be kept or mapped.
Everything else a profile may have as it wants, identity included: who writes "keep" means it. But no object loses what
its IOD demands: there "remove" and "empty" do the next thing that leaves it conformant, as the table's codes do.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from diana_anon.core.planning import private, tables
from diana_anon.core.planning.rules import FREE_TEXT_VRS, TEMPORAL_VRS, TEXT_VRS, Kind, Path, Rule, path_into
from diana_anon.core.profile import Action, Override, Profile
from diana_anon.core.rewriting.dummies import has_item
from diana_anon.core.rewriting.values import LONGEST, fits
from diana_common.conditions import Step
from diana_common.dicom.vr import implicit_vr, private_vr
from diana_common.errors import DianaError, FieldViolation, Reason
from diana_common.sop_classes import sop_class_name
from diana_common.uid import is_uid
from diana_common.values import parse_age, parse_date, parse_date_time, parse_time

IDENTITY = {0x00100010: Kind.PATIENT_NAME, 0x00100020: Kind.PATIENT_ID, 0x00100030: Kind.BIRTH_DATE}
"""The attributes that say who the patient is, wherever they stand."""

METHOD_TAGS = frozenset({0x00120062, 0x00120063, 0x00120064, 0x00280303})
"""Patient Identity Removed, De-identification Method and its codes, Longitudinal Temporal Information Modified."""

INSTANCE_UIDS = frozenset({0x00080018, 0x0020000D, 0x0020000E})
"""SOP Instance, Study Instance and Series Instance UID: at the top they say which instance this is."""

_SOP_CLASS_UID, _CHARACTER_SET = 0x00080016, 0x00080005
_IMAGE_PIXEL = range(0x00280002, 0x00280200)
"""Image Pixel Module (PS3.3 C.7.6.3): how the samples lie."""
_PIXEL_DATA = range(0x7FE00001, 0x7FE00011)
_ACCESSION_VRS = frozenset({"LO", "SH"})
_CLEANABLE = FREE_TEXT_VRS | {"AE", "SQ"}
_READ = {"DA": parse_date, "DT": parse_date_time, "TM": parse_time, "AS": parse_age}
_CODES = {Action.REMOVE: "X/Z/D", Action.EMPTY: "Z/D"}
"""What the two would be in Table E.1-1."""
_ACTIONS = {"X": Action.REMOVE, "Z": Action.EMPTY, "D": Action.DUMMY}


def fault(override: Override) -> str:
    """Why an override can't be followed; empty if it can. For the line of the profile that holds it."""
    steps = override.path.steps
    if not steps:
        return "the path names no attribute"
    last = steps[-1]
    if any(step.tag & 0x10000 and not step.creator for step in steps):
        return "a private attribute needs its private creator"
    if found := _protected(last.tag, override.action, top=len(steps) == 1):
        return found
    vr = vr_of(last)
    if override.action is Action.SHIFT and vr not in TEMPORAL_VRS:
        return "only dates and times (DA, DT, TM) can be shifted"
    if override.action is Action.CLEAN and vr not in _CLEANABLE:
        return f"text of VR {vr or 'unknown'} can't be cleaned: remove, empty or replace it"
    if override.action is Action.MAP and vr != "UI" and vr not in _ACCESSION_VRS and last.tag not in IDENTITY:
        return "only UIDs and accession numbers (UI, SH, LO) can be mapped"
    if override.action is Action.DUMMY and not vr:
        return "no value can be made for an attribute of unknown VR"
    if found := _demanded(override):
        return found
    return _unfit(last.tag, vr, override.value) if override.action is Action.REPLACE else ""


def check(profile: Profile) -> None:
    """Raises PROFILE_INVALID with a violation for each override that can't be followed: `overrides[3]`."""
    found = [(f"overrides[{number}]", fault(override)) for number, override in enumerate(profile.overrides)]
    wrong = [FieldViolation(field, text) for field, text in found if text]
    if wrong:
        raise DianaError(Reason.PROFILE_INVALID, f"{wrong[0].field}: {wrong[0].description}", fields=wrong)


def followed(override: Override, needed: str | None) -> Action:
    """What an override does to an attribute of a type (`tables.attribute_type`): what must be there stays there.

    As in Table E.1-1a, type 2 is emptied and not removed, and type 1 becomes a dummy; a sequence of which there is no
    dummy stays, each attribute in it by its own rule.
    """
    code = _CODES.get(override.action)
    if code is None or needed is None:
        return override.action
    action, last = _ACTIONS[tables.chosen_action(code, needed)], override.path.steps[-1]
    return Action.KEEP if action is Action.DUMMY and vr_of(last) == "SQ" and not has_item(last.tag) else action


def rule_of(override: Override, basic: Kind, needed: str | None = None) -> Rule:
    """The rule that an override makes of an attribute of a type.

    `basic` is what else would be done, for a value that can't be treated so.
    """
    last = override.path.steps[-1]
    vr, action = vr_of(last), followed(override, needed)
    if action is Action.KEEP:
        return Rule(_kept(last.tag, vr), vr)
    if action is Action.MAP:
        return Rule(IDENTITY.get(last.tag, Kind.MAP if vr == "UI" else Kind.ACCESSION), vr)
    if action is Action.CLEAN:
        emptied = Kind.DUMMY if basic is Kind.KEEP else basic  # an object may have to have it: Manufacturer
        return Rule(Kind.WALK if vr == "SQ" else Kind.CLEAN, vr, emptied)
    if action is Action.SHIFT:
        return Rule(Kind.SHIFT, vr, basic)
    if action is Action.REPLACE:
        return Rule(Kind.REPLACE, vr, value=override.value.encode("ascii"))
    if action is Action.DUMMY:
        return Rule(Kind.MAP if vr == "UI" else Kind.DUMMY, vr)
    return Rule(Kind.EMPTY if action is Action.EMPTY else Kind.REMOVE, vr)


def fitting(overrides: Iterable[Override], sop_class_uid: str, path: Path) -> Override | None:
    """The last override for an attribute in an object of this SOP Class; `path` ends with the attribute."""
    found = None
    for override in overrides:
        if _place(override.path.steps[-1]) != path[-1]:
            continue  # so that a thousand overrides cost little
        if override.sop_classes and sop_class_uid not in override.sop_classes:
            continue
        wanted = _steps(override)
        if path == wanted or (override.path.anywhere and path[-len(wanted) :] == wanted):
            found = override
    return found


def vr_of(step: Step) -> str:
    """The VR of an attribute by the dictionaries; empty for a private one that they do not know."""
    if not step.tag & 0x10000:
        return implicit_vr(step.tag)
    safe = private.safe().get(private.place(step.tag, step.creator), "")
    known = private_vr(step.tag | 0x1000, step.creator)
    return safe or ("" if known == "UN" else known)


def _place(step: Step) -> int:
    return private.place(step.tag, step.creator) if step.creator else step.tag


def _steps(override: Override) -> Path:
    places = map(_place, override.path.steps)
    *around, last = places
    start: Path = ()
    return (*reduce(path_into, around, start), last)


def _kept(tag: int, vr: str) -> Kind:
    if tag == 0x00100030:
        return Kind.TRUE_BIRTH_DATE
    return Kind.WALK if vr == "SQ" else Kind.AGE if vr == "AS" else Kind.KEEP


def _protected(tag: int, action: Action, top: bool) -> str:
    group = tag >> 16
    if group <= 0x0002 or not tag & 0x1FFFF or tag in METHOD_TAGS:
        return "the service writes this attribute itself"
    if action is Action.KEEP:
        return ""
    if tag in (_SOP_CLASS_UID, _CHARACTER_SET) or (top and (tag in _IMAGE_PIXEL or tag in _PIXEL_DATA)):
        return "what the object is and how its values are encoded can't be changed"
    if tag in INSTANCE_UIDS and top and action is not Action.MAP:
        return "the UIDs of study, series and instance can be kept or mapped, nothing else"
    return ""


def _demanded(override: Override) -> str:
    """Why the SOP Classes that an override names can't follow it; of types 1C and 2C it depends on the object."""
    for uid in sorted(override.sop_classes) if override.action in _CODES else ():
        needed = tables.demanded_type(uid, override.path.steps[-1].tag, _steps(override)[:-1])
        if needed == "1":
            return f"it is of type 1 in {sop_class_name(uid)}, and must have a value: a dummy or another (replace)"
        if needed == "2" and override.action is Action.REMOVE:
            return f"it is of type 2 in {sop_class_name(uid)}, and can be emptied, but not removed"
    return ""


def _unfit(tag: int, vr: str, value: str) -> str:
    """Why a text can't be the new value."""
    if vr not in TEXT_VRS:
        return f"a value can't be written for VR {vr or 'unknown'}: only text has one"
    if not (value.isascii() and value.isprintable()):
        return "the value must be printable ASCII, which every character set has"
    if len(value) > LONGEST.get(vr, len(value)):
        return f"the value is longer than VR {vr} allows"
    if vr == "UI" and not is_uid(value):
        return "the value is no UID"
    if value and vr in _READ and _READ[vr](value) is None:
        return f"the value can't be read as {vr}"
    return "" if fits(tag, vr, value.encode()) else f"the value can't be one of VR {vr}"
