"""Tags and keywords (PS3.6 2026c): pydicom's dictionary and what it lacks of the edition.

A tag is an int inside and eight upper-case hexadecimal digits (0020000D) wherever it is written.
"""

from __future__ import annotations

import re

from diana_common.dicom.additions import ADDITIONS
from diana_common.dicom.dictionary import ENTRIES, entry_of
from diana_common.dicom.vr import implicit_vr
from diana_common.errors import invalid_field

_HEX = re.compile(r"[0-9A-Fa-f]{4},?[0-9A-Fa-f]{4}|\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)")
_TAGS = {entry.keyword: tag for tag, entry in ENTRIES.items() if entry.keyword}
_TAGS.update({keyword: tag for tag, (_, keyword) in ADDITIONS.items() if keyword not in _TAGS})


def tag_hex(tag: int) -> str:
    """A tag as DICOM JSON writes it: 0020000D."""
    return f"{tag:08X}"


def tag_of(keyword: str) -> int | None:
    """The tag of a keyword of PS3.6 (StudyInstanceUID); None if there is none."""
    return _TAGS.get(keyword)


def keyword_of(tag: int) -> str:
    """The keyword of a tag, repeating groups too; empty for an unknown or private one."""
    if tag in ADDITIONS:
        return ADDITIONS[tag][1]
    entry = entry_of(tag)
    return entry.keyword if entry else ""


def known_tags() -> list[int]:
    """The tags of PS3.6 in order, but for those of repeating groups."""
    return sorted(ENTRIES.keys() | ADDITIONS.keys())


def vr_of(tag: int) -> str:
    """The dictionary's VR of a tag: the first where PS3.6 allows several, UN for an unknown or private one."""
    return implicit_vr(tag).split(" or ")[0]


def vm_of(tag: int) -> str:
    """The dictionary's Value Multiplicity of a tag ("1", "1-n", "2-2n"); empty for an unknown or private one."""
    entry = entry_of(tag)
    return entry.vm if entry else ""


def is_private(tag: int) -> bool:
    """Whether the group is odd (PS3.5 section 7.8)."""
    return bool(tag & 0x10000)


def parse_tag(text: str, field: str = "tag") -> int:
    """The tag a user named: keyword, ggggeeee or (gggg,eeee). Anything else is INVALID_FIELD for `field`."""
    text = text.strip()
    if _HEX.fullmatch(text):
        return int(text.strip("()").replace(",", ""), 16)
    tag = tag_of(text)
    if tag is None:
        raise invalid_field(field, "is no attribute: give a keyword of PS3.6, ggggeeee or (gggg,eeee)")
    return tag
