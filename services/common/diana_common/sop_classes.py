"""SOP Classes of objects as people name them: by the name or keyword of PS3.6 annex A, or by UID."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from diana_common.dicom.dictionary import registered_uids
from diana_common.errors import invalid_field
from diana_common.settings import nearest
from diana_common.uid import is_uid

_STANDARD_ROOT = "1.2.840.10008."


def sop_class_uid(text: str, field: str = "sop_class") -> str:
    """The UID of a SOP Class. What names none is INVALID_FIELD for `field`, which says what it may mean.

    A UID that is not below DICOM's own root may be a private SOP Class: it is taken as it is.
    """
    known = _by_name()
    if text in known:
        return known[text]
    if not is_uid(text):
        raise invalid_field(field, f"is no SOP Class; {nearest(text[:64], (name for name in known if ' ' in name))}")
    if text.startswith(_STANDARD_ROOT) and text not in known.values():
        raise invalid_field(field, "is no SOP Class that PS3.6 knows")
    return text


def sop_class_name(uid: str) -> str:
    """The name of a SOP Class; the UID itself where PS3.6 has none."""
    entry = registered_uids().get(uid)
    return entry.name if entry else uid


@cache
def _by_name() -> Mapping[str, str]:
    """Names, keywords and names without "(Retired)", of what objects can be instances of."""
    found: dict[str, str] = {}
    for uid, entry in registered_uids().items():
        if entry.kind == "SOP Class" and "Storage" in entry.name:
            found[entry.name.removesuffix(" (Retired)")] = found[entry.keyword] = uid
    return found
