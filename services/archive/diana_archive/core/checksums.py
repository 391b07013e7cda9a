"""Checks that bytes are those that a caller sent."""

from __future__ import annotations

import zlib

from diana_common.errors import DianaError, Reason, invalid_field

_SHA256_BYTES = 32


def check_crc(data: bytes, crc32: int | None) -> None:
    """Raises DianaError CHECKSUM_MISMATCH when a chunk's CRC-32, if there is one, is another."""
    if crc32 is not None and zlib.crc32(data) != crc32:
        raise _changed("A chunk's bytes do not have the CRC-32 it came with.")


def check_digest(actual: bytes, expected: bytes) -> None:
    """Raises DianaError CHECKSUM_MISMATCH when the whole's SHA-256 is another, INVALID_FIELD when it is none."""
    if len(expected) != _SHA256_BYTES:
        raise invalid_field("chunks.sha256", f"has other than {_SHA256_BYTES} bytes")
    if actual != expected:
        raise _changed("The instance's bytes do not have the SHA-256 it came with.")


def _changed(message: str) -> DianaError:
    return DianaError(Reason.CHECKSUM_MISMATCH, message)
