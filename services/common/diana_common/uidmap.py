"""Keyed mapping of UIDs and accession numbers: the same value, the same new one; nobody goes back without the key.

`guid` leases the subkeys of a domain; whoever holds them maps by itself, without a call for each value.
"""

from __future__ import annotations

import base64
import hmac
import re
import unicodedata

from diana_common.errors import DianaError, Reason, invalid_field

SUBKEY_BYTES = 32
"""Length of a subkey in bytes."""

_UID = re.compile(r"[0-9.]{1,64}\Z")
_VERSION_8 = 0x8 << 76
_VERSION_MASK = 0xF << 76
_VARIANT = 0b10 << 62
_VARIANT_MASK = 0b11 << 62

_ACCESSION_NUMBER_BYTES = 10
_LONGEST_TEXT = 1024


def map_uid(subkey: bytes, uid: str) -> str:
    """The new UID for `uid`: `2.25.` and a UUID as an integer, at most 44 characters.

    The UUID is version 8 (RFC 9562 section 5.8), its 122 free bits from HMAC-SHA-256 of the UID
    (PS3.5 section B.2 for the `2.25` root). Padding (trailing NUL and spaces) is not part of a UID;
    all else is: `1.02` and `1.2` map to different UIDs.

    Raises UID_INVALID when `uid` is not 1 to 64 digits and dots, ValueError when the subkey is not
    `SUBKEY_BYTES` long.
    """
    _check(subkey)
    text = uid.strip("\0 ")
    if not _UID.match(text):
        raise DianaError(Reason.UID_INVALID, "The value to map is not a UID.")
    number = int.from_bytes(hmac.digest(subkey, text.encode("ascii"), "sha256")[:16], "big")
    number = number & ~(_VERSION_MASK | _VARIANT_MASK) | _VERSION_8 | _VARIANT
    return f"2.25.{number}"


def map_accession_number(subkey: bytes, accession_number: str, field: str = "accession_number") -> str:
    """The new Accession Number (0008,0050): 16 characters of A to Z and 2 to 7 (80 bits), which fit SH.

    Spaces and NUL around the value are padding; text that looks alike composed and decomposed is the
    same (Unicode form NFC).

    Raises INVALID_FIELD naming `field` when the value is empty, longer than 1,024 characters or not
    Unicode text, ValueError when the subkey is not `SUBKEY_BYTES` long.
    """
    _check(subkey)
    if len(accession_number) > _LONGEST_TEXT:
        raise invalid_field(field, f"is longer than {_LONGEST_TEXT} characters")
    try:
        value = unicodedata.normalize("NFC", accession_number).strip("\0 ").encode("utf-8")
    except UnicodeEncodeError:
        raise invalid_field(field, "is not valid Unicode text") from None
    if not value:
        raise invalid_field(field, "is empty")
    digest = hmac.digest(subkey, len(value).to_bytes(4, "big") + value, "sha256")
    return base64.b32encode(digest[:_ACCESSION_NUMBER_BYTES]).decode("ascii")


def _check(subkey: bytes) -> None:
    if len(subkey) != SUBKEY_BYTES:
        raise ValueError(f"a subkey is {SUBKEY_BYTES} bytes long")
