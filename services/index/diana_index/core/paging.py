"""Page tokens: where a page ended, sealed.

A place in an order is made of patient values, and tokens land in URLs and logs: so they are encrypted. The
seal also binds a token to its request: with any other field it does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from diana_common.errors import DianaError, FieldViolation, Reason
from diana_index.core.store import SortKey

KEY_BYTES = 32
_NONCE_BYTES = 12


class PageTokens:
    """Seals places with a key of 32 bytes; tokens live as long as the key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, place: SortKey, request: bytes) -> str:
        """The token for the page behind `place` of a request."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, json.dumps(place).encode(), hashlib.sha256(request).digest())
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, token: str, request: bytes) -> SortKey | None:
        """The place a token stands for; None for no token. Raises PAGE_TOKEN_INVALID."""
        if not token:
            return None
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            nonce, sealed = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return tuple(json.loads(self._cipher.decrypt(nonce, sealed, hashlib.sha256(request).digest())))
        except (InvalidTag, ValueError, binascii.Error):
            description = "is not from this request"
            raise DianaError(
                Reason.PAGE_TOKEN_INVALID,
                f"page_token: {description}",
                fields=[FieldViolation("page_token", description)],
            ) from None
