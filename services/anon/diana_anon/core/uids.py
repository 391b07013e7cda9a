"""UIDs: which are mapped, and how the values of one element are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from pydicom._uid_dict import UID_dictionary  # generated from PS3.6; the version is pinned

from diana_common.tags import keyword_of
from diana_common.uid import is_uid

UidMapper = Callable[[str], str]
"""A UID to its replacement; the same one always gets the same."""

WELL_KNOWN = frozenset(UID_dictionary)
"""What PS3.6 annex A registers: SOP Classes, Transfer Syntaxes, coding schemes, well-known instances.

No more than that: some systems make the UIDs of their own objects below the standard's root, or below a SOP Class's.
"""

_KINDS = re.compile(r"SOPClass|TransferSyntax")
_RESOURCES = frozenset({0x0008010C, 0x00080117, 0x00080118})
"""Coding Scheme UID, Context UID, Mapping Resource UID."""


def names_a_kind(tag: int) -> bool:
    """Whether an attribute's UIDs name kinds of things or public resources, private ones too, and never an entity."""
    return tag in _RESOURCES or _KINDS.search(keyword_of(tag)) is not None


def mapped(uid: str, map_uid: UidMapper) -> str:
    """The replacement of one UID; well-known ones are kept.

    What is no UID is mapped by way of its digest: always alike, and not to be undone without the mapper's key.
    """
    if not uid:
        return uid
    if is_uid(uid):
        return uid if uid in WELL_KNOWN else map_uid(uid)
    digest = hashlib.sha256(uid.encode("utf-8", "surrogatepass")).digest()
    return map_uid(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def mapped_values(raw: bytes, map_uid: UidMapper) -> bytes:
    """Every value of a UI element mapped, without padding."""
    return "\\".join(mapped(uid.strip("\0 "), map_uid) for uid in raw.decode("latin_1").split("\\")).encode()
