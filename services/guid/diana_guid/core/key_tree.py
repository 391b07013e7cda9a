"""One domain's keys: independent subkeys below one secret, and draws from their digests.

Built like HKDF (RFC 5869): the domain key is extracted with the domain's name, subkeys are expanded
by label. Who holds a subkey learns neither its siblings nor the key above.
"""

from __future__ import annotations

import base64
import hmac

MIN_KEY_BYTES = 32
"""Fewest bytes of a domain key."""

CODE_LENGTH = 16
"""Characters of a `code`: 80 bits, fits SH; two of ten million collide once in 20 billion domains."""

ID_LENGTH = 32
"""Characters of an `id_code`: 160 bits, fits LO."""

ID_LETTERS = 3
"""Characters at an `id_code`'s beginning that are letters: the initials of a name."""


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


def framed(*parts: str) -> bytes:
    """The parts as UTF-8, each after its length, so that no two lists of parts give the same bytes."""
    encoded = [part.encode("utf-8") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def code(subkey: bytes, message: bytes) -> str:
    """`CODE_LENGTH` letters and digits 2 to 7 (base32, RFC 4648) for a message."""
    return _base32(hmac.digest(subkey, message, "sha256"), CODE_LENGTH)


def id_code(subkey: bytes, message: bytes) -> str:
    """`ID_LENGTH` letters and digits 2 to 7 for a message, of which the first `ID_LETTERS` are letters.

    The digest is digested again until they are; twice is the mean.
    """
    digest = hmac.digest(subkey, message, "sha256")
    while not (made := _base32(digest, ID_LENGTH))[:ID_LETTERS].isalpha():
        digest = hmac.digest(subkey, digest, "sha256")
    return made


class Draws:
    """Up to four numbers drawn from one message's digest."""

    def __init__(self, subkey: bytes, message: bytes) -> None:
        digest = hmac.digest(subkey, message, "sha256")
        self._words = iter([int.from_bytes(digest[at : at + 8], "big") for at in range(0, 32, 8)])

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1; 64 bits are scaled down, so the bias is below limit / 2**64."""
        return next(self._words) * limit >> 64

    def either_way(self, bound: int) -> int:
        """A number from -`bound` to `bound`, never 0: an output equal to its source would reveal it."""
        number = self.below(2 * bound) - bound
        return number if number < 0 else number + 1


def _base32(digest: bytes, length: int) -> str:
    return base64.b32encode(digest[: length * 5 // 8]).decode("ascii")
