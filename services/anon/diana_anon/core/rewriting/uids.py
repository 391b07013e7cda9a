"""UIDs: which are mapped, and how the values of one element are; and all that a domain's keys give new names to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Set
from functools import lru_cache
from typing import Any

from diana_common.dicom.dictionary import registered_uids
from diana_common.tags import keyword_of
from diana_common.uid import is_uid

UidMapper = Callable[[str], str]
"""A UID to its replacement; the same one always gets the same."""

WELL_KNOWN = frozenset(registered_uids())
"""What PS3.6 annex A registers: SOP Classes, Transfer Syntaxes, coding schemes, well-known instances.

No more than that: some systems make the UIDs of their own objects below the standard's root, or below a SOP Class's.
"""

_KINDS = re.compile(r"SOPClass|TransferSyntax")
_RESOURCES = frozenset({0x0008010C, 0x00080117, 0x00080118})
"""Coding Scheme UID, Context UID, Mapping Resource UID."""


def names_a_kind(tag: int) -> bool:
    """Whether an attribute's UIDs name kinds of things or public resources, private ones too, and never an entity."""
    return tag in _RESOURCES or _KINDS.search(keyword_of(tag)) is not None


class Pseudonyms:
    """What UIDs and accession numbers become, remembered for a piece of work: the same one always becomes the same.

    `outcomes(*scope)` is a dictionary for what else is to be remembered of objects of one scope.
    `map_uid` and `map_accession_number` are one domain's. Safe to use from several threads.
    """

    def __init__(
        self, map_uid: UidMapper, map_accession_number: Callable[[str], str], unplaced: Set[str] = frozenset()
    ) -> None:
        self.unplaced = unplaced
        """Paths of an object's references that lead nowhere, since nobody knows where the instance stands."""
        self._map_uid = map_uid
        self.uid = lru_cache(_HELD)(self._uid)
        """The replacement of one UID, which may be padded; well-known ones are kept. Raises what `map_uid` does."""
        self.uids = lru_cache(_HELD)(self._uids)
        """Every value of a UI element mapped, without padding, from and to bytes."""
        self.accession_number = lru_cache(_HELD)(map_accession_number)
        """The replacement of one accession number. Raises what `map_accession_number` does."""

        self.outcomes: Callable[..., dict[bytes, Any]] = lru_cache(_SCOPES)(_new)

    def _uids(self, raw: bytes) -> bytes:
        return "\\".join(map(self.uid, raw.decode("latin_1").rstrip("\0 ").split("\\"))).encode()

    def _uid(self, uid: str) -> str:
        """What is no UID is mapped by way of its digest: always alike, and not to be undone without the key."""
        uid = uid.strip("\0 ")
        if not uid:
            return uid
        if is_uid(uid):
            return uid if uid in WELL_KNOWN else self._map_uid(uid)
        digest = hashlib.sha256(uid.encode("utf-8", "surrogatepass")).digest()
        return self._map_uid(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def _new(*scope: Hashable) -> dict[bytes, Any]:
    return {}


_SCOPES = 16
_HELD = 32_768
"""Pseudonyms remembered: a large study's instances, and what they refer to."""
