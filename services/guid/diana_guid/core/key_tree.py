"""One domain's keys: independent subkeys below one secret, and draws from their digests.

Built like HKDF (RFC 5869): the domain key is extracted with the domain's name, subkeys are expanded
by label. Who holds a subkey learns neither its siblings nor the key above.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from diana_guid.core import base32

MIN_KEY_BYTES = 32
"""Fewest bytes of a domain key."""

_BLOCK_BYTES = 64
_INNER, _OUTER = (bytes(value ^ pad for value in range(256)) for pad in (0x36, 0x5C))
_FOUR_WORDS = struct.Struct(">4Q")


class KeyTree:
    """The subkeys of one domain."""

    def __init__(self, domain: str, key: bytes) -> None:
        """`key` is the domain's secret, at least `MIN_KEY_BYTES` long; ValueError otherwise."""
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"a domain key is at least {MIN_KEY_BYTES} bytes long")
        self._root = hmac.digest(b"diana.guid.keyed.v1/" + domain.encode(), key, "sha256")

    def subkey(self, label: str) -> bytes:
        """The 32-byte subkey for one purpose."""
        return hmac.digest(self._root, label.encode() + b"\x01", "sha256")


class Digester:
    """HMAC-SHA-256 under one subkey, whose share of the work is done once (RFC 2104 section 4)."""

    def __init__(self, subkey: bytes) -> None:
        padded = subkey.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER))
        self._outer = hashlib.sha256(padded.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        """32 bytes for a message."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def words(self, message: bytes) -> tuple[int, int, int, int]:
        """Four numbers of 64 bits for a message."""
        one, two, three, four = _FOUR_WORDS.unpack(self.digest(message))
        return one, two, three, four

    def id_code(self, message: bytes) -> str:
        """32 letters and digits 2 to 7 for a message: 160 bits, fits LO."""
        return base32.encode(self.digest(message)[: base32.BYTES])


def framed(*parts: str) -> bytes:
    """The parts as UTF-8, each after its length, so that no two lists of parts give the same bytes."""
    encoded = [part.encode("utf-8") for part in parts]
    return b"".join([len(part).to_bytes(4, "big") + part for part in encoded])


def below(limit: int, word: int) -> int:
    """A number from 0 to `limit` - 1: the word scaled down, so that the bias is below limit / 2**64."""
    return word * limit >> 64


def either_way(bound: int, word: int) -> int:
    """A number from -`bound` to `bound`, never 0: an output equal to its source would reveal it."""
    number = (word * 2 * bound >> 64) - bound
    return number if number < 0 else number + 1
