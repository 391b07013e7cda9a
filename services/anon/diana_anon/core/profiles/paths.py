"""Tag paths as profiles write them: "RequestAttributesSequence.(0040,0009)", "*.StudyDate", "(0019,xx10){CREATOR}"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import cache

from diana_anon.core.profile import Step, TagPath
from diana_anon.core.profiles.faults import shown
from diana_common.tags import is_private, keyword_of, known_tags, tag_of, vr_of

_ANYWHERE = "*."
_SEPARATOR = re.compile(r"\.(?![^{}]*\})")
"""A dot that is not part of a private creator."""
_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_PRIVATE = re.compile(r"\(([0-9A-Fa-f]{4}),\s*[xX]{2}([0-9A-Fa-f]{2})\)\s*\{([^{}\\]{1,64})\}")
_MOST_STEPS = 16


class BadPath(Exception):
    """The text is no tag path; the message says why, and what would be right."""


def parse_path(text: str) -> TagPath:
    """The path a text means. Raises BadPath."""
    text = text.strip()
    anywhere = text.startswith(_ANYWHERE)
    parts = _SEPARATOR.split(text.removeprefix(_ANYWHERE))
    if len(parts) > _MOST_STEPS:
        raise BadPath(f"has more than {_MOST_STEPS} steps")
    steps = tuple(parse_step(part) for part in parts)
    for step in steps[:-1]:
        if not step.creator and vr_of(step.tag) != "SQ":
            raise BadPath(f"{step_text(step)} is no sequence: nothing stands within it")
    return TagPath(steps, anywhere)


def parse_step(text: str) -> Step:
    """One attribute by keyword or tag, a private one with its creator. Raises BadPath."""
    text = text.strip()
    if private := _PRIVATE.fullmatch(text):
        group, element = int(private[1], 16), int(private[2], 16)
        if not group & 1:
            raise BadPath("names a creator, but its group is even: it is not private")
        return Step(group << 16 | element, private[3].strip())
    found = _TAG.fullmatch(text)
    tag = int(found[1] + found[2], 16) if found else tag_of(text)
    if tag is None:
        raise BadPath(f"{shown(text)} is no attribute; {_hint(text)}")
    if is_private(tag):
        raise BadPath("is private: write the block as xx and name its creator, (0019,xx10){SIEMENS MR HEADER}")
    if vr_of(tag) == "UN":
        raise BadPath("is no attribute of PS3.6; what is unknown is removed anyway")
    return Step(tag)


def _hint(text: str) -> str:
    """The keyword most like a text, of those that begin alike; so that no text takes long."""
    close = difflib.get_close_matches(text[:64], _keywords().get(text[:3].lower(), ()), n=1)
    return f"did you mean {close[0]!r}?" if close else "give a keyword of PS3.6, (gggg,eeee), or such with dots between"


@cache
def _keywords() -> Mapping[str, tuple[str, ...]]:
    """The keywords of PS3.6 by their first three letters."""
    found: dict[str, list[str]] = {}
    for keyword in filter(None, map(keyword_of, known_tags())):
        found.setdefault(keyword[:3].lower(), []).append(keyword)
    return {first: tuple(some) for first, some in found.items()}


def path_text(path: TagPath) -> str:
    """A path in canonical form: keywords where there are any."""
    return (_ANYWHERE if path.anywhere else "") + ".".join(map(step_text, path.steps))


def tags_text(path: TagPath) -> str:
    """A path in tags: "(0040,0275).(0040,0009)"."""
    return (_ANYWHERE if path.anywhere else "") + ".".join(map(tag_text, path.steps))


def step_text(step: Step) -> str:
    """One step in canonical form."""
    return ("" if step.creator else keyword_of(step.tag)) or tag_text(step)


def tag_text(step: Step) -> str:
    """One step in tags."""
    if step.creator:
        return f"({step.tag >> 16:04X},xx{step.tag & 0xFF:02X}){{{step.creator}}}"
    return f"({step.tag >> 16:04X},{step.tag & 0xFFFF:04X})"
