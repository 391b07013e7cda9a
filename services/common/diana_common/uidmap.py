"""Keyed UID mapping: the same key and UID give the same new UID, and nobody without the key goes back.

`guid` leases the subkey of a domain; whoever holds it maps UIDs itself, without a call a UID.
"""

from __future__ import annotations

import hmac
import re

from diana_common.errors import DianaError, Reason

SUBKEY_BYTES = 32
"""Length of a UID subkey in bytes."""

_UID = re.compile(r"[0-9.]{1,64}\Z")
_VERSION_8 = 0x8 << 76
_VERSION_MASK = 0xF << 76
_VARIANT = 0b10 << 62
_VARIANT_MASK = 0b11 << 62


def map_uid(subkey: bytes, uid: str) -> str:
    """The new UID for `uid`: `2.25.` and a UUID as an integer, at most 44 characters.

    The UUID is version 8 (RFC 9562 section 5.8), its 122 free bits from HMAC-SHA-256 of the UID
    (PS3.5 section B.2 for the `2.25` root). Padding (trailing NUL and spaces) is not part of a UID;
    all else is: `1.02` and `1.2` map to different UIDs.

    Raises UID_INVALID when `uid` is not 1 to 64 digits and dots, ValueError when the subkey is not
    `SUBKEY_BYTES` long.
    """
    if len(subkey) != SUBKEY_BYTES:
        raise ValueError(f"a UID subkey is {SUBKEY_BYTES} bytes long")
    text = uid.strip("\0 ")
    if not _UID.match(text):
        raise DianaError(Reason.UID_INVALID, "The value to map is not a UID.")
    number = int.from_bytes(hmac.digest(subkey, text.encode("ascii"), "sha256")[:16], "big")
    number = number & ~(_VERSION_MASK | _VARIANT_MASK) | _VERSION_8 | _VARIANT
    return f"2.25.{number}"
