"""Attributes as people write them: by keyword, "(0040,0009)", or a private one "(0019,xx10){CREATOR}"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from diana_common.documents import shown
from diana_common.tags import is_private, keyword_of, known_tags, tag_of, vr_of

_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_PRIVATE = re.compile(r"\(([0-9A-Fa-f]{4}),\s*[xX]{2}([0-9A-Fa-f]{2})\)\s*\{([^{}\\]{1,64})\}")


class BadPath(Exception):
    """The text is no tag path; the message says why, and what would be right."""


@dataclass(frozen=True, slots=True)
class Step:
    """One attribute on a path. A private one has its creator, and its tag the block's byte zero: (0019,xx10) is
    0x00190010."""

    tag: int
    creator: str = ""


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


def step_text(step: Step) -> str:
    """One step in canonical form."""
    return ("" if step.creator else keyword_of(step.tag)) or tag_text(step)


def tag_text(step: Step) -> str:
    """One step in tags."""
    if step.creator:
        return f"({step.tag >> 16:04X},xx{step.tag & 0xFF:02X}){{{step.creator}}}"
    return f"({step.tag >> 16:04X},{step.tag & 0xFFFF:04X})"
