"""What the crosswalk's file shows: nothing but sealed rows under digests that only the key can make."""

from __future__ import annotations

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from diana_anon.stores.keyed import keyed_digest
from diana_common.errors import DianaError, Reason

_NONCE_BYTES = 12
_BLOCK = 128
"""Rows are padded to a multiple of this, so that their sizes do not tell names apart."""


class CrosswalkCipher:
    """AES-256-GCM and HMAC-SHA-256 under two keys that are derived from one of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(hmac.digest(key, b"diana.crosswalk.v1 seal", "sha256"))
        self._find = hmac.digest(key, b"diana.crosswalk.v1 find", "sha256")

    def place(self, *words: str) -> bytes:
        """The digest that a row is found by: the same words, the same 32 bytes."""
        return keyed_digest(self._find, *words)

    def seal(self, text: str, place: bytes) -> bytes:
        """JSON text, to be opened at the same place only."""
        nonce, plain = secrets.token_bytes(_NONCE_BYTES), text.encode()
        return nonce + self._aead.encrypt(nonce, plain + b" " * (-len(plain) % _BLOCK), place)

    def open(self, sealed: object, place: bytes) -> str | None:
        """What was sealed at this place; None if it was altered, moved, or sealed with another key."""
        if not isinstance(sealed, bytes) or len(sealed) < _NONCE_BYTES:
            return None
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place).decode()
        except InvalidTag:
            return None


def damaged(what: str) -> DianaError:
    """The error for a row that is not as it was written."""
    return DianaError(Reason.STORE_DAMAGED, f"{what} of the crosswalk is not as it was written.")
