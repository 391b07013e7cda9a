"""What the crosswalk's file shows: nothing but sealed rows under digests that only the key can make."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid
from diana_common.state_files import replace_file

KEY_BYTES = 32
_MOST_FILE_BYTES = 4096
_NONCE_BYTES = 12
_BLOCK = 128
"""Rows are padded to a multiple of this, so that their sizes do not tell names apart."""
_SETTING = "crosswalk.key_file"


class CrosswalkCipher:
    """AES-256-GCM and HMAC-SHA-256 under two keys that are derived from one of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(hmac.digest(key, b"diana.crosswalk.v1 seal", "sha256"))
        self._find = hmac.digest(key, b"diana.crosswalk.v1 find", "sha256")

    def place(self, *words: str) -> bytes:
        """The digest that a row is found by: the same words, the same 32 bytes."""
        told = hmac.new(self._find, digestmod=hashlib.sha256)
        for word in map(str.encode, words):
            told.update(len(word).to_bytes(4, "big") + word)
        return told.digest()

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


def read_key(path: Path, create: bool) -> bytes:
    """The key in a file, 32 bytes as base64 or hexadecimal text; a random one is made durably if it may be.

    Raises DianaError CONFIG_INVALID for a file that is not there, is open to others, or holds no such key.
    """
    try:
        if create and not path.exists():
            replace_file(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        text = _read_private(path)
    except OSError as error:
        raise config_invalid(_SETTING, f"the file cannot be read ({error.strerror})") from None
    key = _decoded(text)
    if len(key) != KEY_BYTES:
        raise config_invalid(_SETTING, f"the file holds no key of {KEY_BYTES} bytes in base64 or hexadecimal")
    return key


def _read_private(path: Path) -> bytes:
    # O_NONBLOCK: a FIFO put in the file's place must not hang the server.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & (stat.S_IWGRP | stat.S_IRWXO):
            raise config_invalid(_SETTING, "must be a file that others can neither read nor write: chmod it to 0600")
        return b"".join(file.read(_MOST_FILE_BYTES + 1).split())


def _decoded(text: bytes) -> bytes:
    try:
        return (
            bytes.fromhex(text.decode("ascii")) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
        )
    except ValueError:
        return b""


def damaged(what: str) -> DianaError:
    """The error for a row that is not as it was written."""
    return DianaError(Reason.STORE_DAMAGED, f"{what} of the crosswalk is not as it was written.")
