"""UIDs (PS3.5 section 9.1), checked as leniently as *storable* asks: leading zeros pass."""

from __future__ import annotations

import re

from diana_common.errors import invalid_field

_UID = re.compile(r"[0-9.]{1,64}")


def is_uid(text: str) -> bool:
    """Whether `text` is one to 64 digits and dots."""
    return _UID.fullmatch(text) is not None


def stripped(value: str) -> str:
    """A UID's value without its padding (NUL, or the spaces some writers use)."""
    return value.rstrip("\0 ")


def require_uid(field: str, value: str) -> str:
    """`value` without padding; a request's `field` that is no UID is INVALID_FIELD."""
    uid = stripped(value)
    if not is_uid(uid):
        raise invalid_field(field, "is not a UID (1 to 64 digits and dots)")
    return uid
