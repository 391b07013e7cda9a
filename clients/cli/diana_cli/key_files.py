"""Files of the mint's keys as a person holds them: private and public keys to seal to, exports, opened keys.

Keys are text in base64. What is secret is written to a new file for its owner alone, and never to a terminal.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from diana_common.errors import DianaError, invalid_field
from diana_common.sealing import SealedKey, new_sealing_key, public_sealing_key, unseal
from diana_endpoints.domain_keys import read_sealed_key

_KEY_BYTES = 32
_LARGEST_FILE = 64 * 1024


def written(key: bytes) -> str:
    """A key as text."""
    return base64.b64encode(key).decode("ascii")


def read_text(path: Path) -> str:
    """A small text file. Raises OSError, DianaError INVALID_FIELD."""
    with open(path, "rb") as file:
        data = file.read(_LARGEST_FILE + 1)
    try:
        if len(data) <= _LARGEST_FILE:
            return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise invalid_field("FILE", "is not a text of the kind that is asked for")


def read_public_key(path: Path) -> bytes:
    """A public key. Raises OSError, DianaError INVALID_FIELD."""
    return _key(path, "--to")


def write_new_key(path: Path) -> bytes:
    """Make a private key in a new file; its public key. Raises OSError."""
    private = new_sealing_key()
    write_private(path, f"{written(private)}\n".encode())
    return public_sealing_key(private)


def write_opened(sealed: Path, private_key: Path, out: Path) -> None:
    """Open an export into a key file. Raises OSError, DianaError SEALED_KEY_INVALID, INVALID_FIELD."""
    message = read_sealed_key(read_text(sealed))
    key = unseal(
        SealedKey(message.domain, message.version, message.ephemeral_public_key, message.ciphertext),
        _key(private_key, "--with"),
    )
    write_private(out, f"{written(key)}\n# domain {message.domain}, version {message.version}\n".encode())


def write_private(path: Path, content: bytes) -> None:
    """Write a new file with mode 0600; one that is there is never replaced. Raises OSError: then there is none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        path.unlink()
        raise


def _key(path: Path, option: str) -> bytes:
    try:
        key = base64.b64decode(read_text(path).strip(), validate=True)
    except (ValueError, DianaError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise invalid_field(option, "the file holds no key: 32 bytes in base64")
    return key
