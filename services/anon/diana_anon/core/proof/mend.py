"""A second try for an instance whose identifiers stand in text that the standard keeps: that text is cleaned too.

By the table a convolution kernel or a device's model is nobody's business; what somebody typed there may be. An
instance that is clean but for such text need not go to quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from diana_anon.core.planning.plan import Plan, compile_plan
from diana_anon.core.profile import Action, Override, Profile, TagPath
from diana_anon.core.text.attributes import has_row
from diana_common.conditions import Header, Step
from diana_common.dicom.vr import private_vr
from diana_common.dicomjson import texts
from diana_common.tags import tag_hex, vr_of

_TEXT = frozenset(("LO", "LT", "SH", "ST", "UC", "UT"))


def mended_plan(profile: Profile, leaks: Iterable[str], header: Header) -> Plan | None:
    """A plan that also cleans the attributes at these paths (of `self_scan.leaks`), wherever they stand.

    `header` is the source's: a private attribute is known by its creator there. None if cleaning is not for one of
    them: an attribute that has a row in Table E.1-1 should never have come so far, and what is no text cannot be
    cleaned.
    """
    steps = [_step(int(path[-11:].translate(_BRACKETS), 16), header) for path in leaks]
    known = sorted({step for step in steps if step is not None}, key=lambda step: (step.tag, step.creator))
    return _compiled(profile, tuple(known)) if known and None not in steps else None


_BRACKETS = str.maketrans("", "", "(),")


def _step(tag: int, header: Header) -> Step | None:
    """The attribute as overrides name it; None if cleaning is not for it."""
    if tag & 0x10000:
        creators = texts(header, f"{tag >> 16:04X}00{tag >> 8 & 0xFF:02X}")
        return Step(tag & 0xFFFF00FF, creators[0]) if creators else None
    return Step(tag) if vr_of(tag) in _TEXT and not has_row(tag) else None


@lru_cache(maxsize=64)
def _compiled(profile: Profile, steps: tuple[Step, ...]) -> Plan:
    overrides = (Override(TagPath((step,), anywhere=True), _action(step), text=_text(step)) for step in steps)
    return compile_plan(replace(profile, overrides=(*profile.overrides, *overrides)))


def _action(step: Step) -> Action:
    """A private attribute of no text goes, since it has no words that are worth keeping."""
    is_text = not step.creator or private_vr(step.tag, step.creator) in _TEXT
    return Action.CLEAN if is_text else Action.REMOVE


def _text(step: Step) -> str:
    return f"{tag_hex(step.tag)} {step.creator} {_action(step).value}"
