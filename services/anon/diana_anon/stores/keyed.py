"""Keys in files of their own, and the digests that are made with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from diana_common.settings import config_invalid
from diana_common.state_files import replace_file

KEY_BYTES = 32
_MOST_FILE_BYTES = 4096


def keyed_digest(key: bytes, *words: str) -> bytes:
    """HMAC-SHA-256 of words, each behind its length: the same words, the same 32 bytes."""
    told = hmac.new(key, digestmod=hashlib.sha256)
    for word in map(str.encode, words):
        told.update(len(word).to_bytes(4, "big") + word)
    return told.digest()


def read_key(path: Path, create: bool, setting: str) -> bytes:
    """The key in a file, 32 bytes as base64 or hexadecimal text; a random one is made durably if it may be.

    Raises DianaError CONFIG_INVALID naming `setting` for a file that is not there, is open to others, or holds no such
    key.
    """
    try:
        if create and not path.exists():
            replace_file(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        text = _read_private(path, setting)
    except OSError as error:
        raise config_invalid(setting, f"the file {path.name} cannot be read ({error.strerror})") from None
    key = _decoded(text)
    if len(key) != KEY_BYTES:
        raise config_invalid(setting, f"the file holds no key of {KEY_BYTES} bytes in base64 or hexadecimal")
    return key


def _read_private(path: Path, setting: str) -> bytes:
    # O_NONBLOCK: a FIFO put in the file's place must not hang the server.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & (stat.S_IWGRP | stat.S_IRWXO):
            raise config_invalid(setting, "must be a file that others can neither read nor write: chmod it to 0600")
        return b"".join(file.read(_MOST_FILE_BYTES + 1).split())


def _decoded(text: bytes) -> bytes:
    try:
        return (
            bytes.fromhex(text.decode("ascii")) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
        )
    except ValueError:
        return b""
