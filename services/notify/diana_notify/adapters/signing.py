"""Signatures by which receivers of webhooks know who wrote, and when: https://www.standardwebhooks.com, version v1."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64
"""Bytes of a key."""


def decoded_key(text: str) -> bytes:
    """The key of 24 to 64 bytes behind its base64 form, with or without "whsec_" before it. Raises ValueError."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError("is not the base64 form of 24 to 64 bytes")
    return key


def signature_headers(key: bytes, name: str, seconds: int, body: bytes) -> dict[str, str]:
    """What goes with a body: its name, the time in seconds since the epoch, and HMAC-SHA-256 over all three."""
    signed = f"{name}.{seconds}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": name, "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{digest}"}
