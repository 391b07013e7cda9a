"""Where a folder keeps instances: by their UIDs, never by what is said of patients."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_endpoints.levels import INSTANCE, SERIES, STUDY

DEFAULT_DEPTH = 2


class Layout(Enum):
    """Where an instance is put."""

    UIDS = "uids"
    """STUDY/SERIES/INSTANCE.dcm"""

    FLAT = "flat"
    """INSTANCE.dcm"""

    NESTED = "nested"
    """ab/cd/INSTANCE.dcm, by a digest of the UID, so that no folder holds very many."""


def uid_name(uid: object) -> str:
    """A UID as a file name; one without any digit ("..") would be a place. Raises DianaError UID_INVALID."""
    text = str(uid)
    if not text.strip(".") or not set(text) <= set("0123456789."):
        raise DianaError(Reason.UID_INVALID, "a UID cannot serve as a file name")
    return text


def place_of(uids: Mapping[str, object], layout: Layout, width: int, depth: int) -> Path:
    """Where what has these UIDs is: an instance's file, the folder of a study or series, or "." for anywhere.

    `width` and `depth` are those of nested folders: characters of a name, and levels. Raises DianaError UID_INVALID.
    """
    instance = uids.get(INSTANCE.key)
    name = f"{uid_name(instance)}.dcm" if instance else ""
    if layout is Layout.FLAT:
        return Path(name)
    if layout is Layout.NESTED:
        digest = hashlib.sha256(str(instance).encode()).hexdigest()
        folders = [digest[level * width : (level + 1) * width] for level in range(depth)]
        return Path(*folders, name) if name else Path()
    parts: list[str] = []
    for key in (STUDY.key, SERIES.key):
        if not uids.get(key):
            return Path(*parts)
        parts.append(uid_name(uids[key]))
    return Path(*parts, name)
