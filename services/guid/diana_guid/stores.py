"""Where domain keys live: in memory, or one file a domain.

A key file holds one key as text: hexadecimal when every character is a hex digit, else base64.
Changing or losing it changes every identity of its domain: back it up, and keep it from whoever
receives de-identified data.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
import string
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from diana_common.errors import DianaError, Reason
from diana_common.state_files import make_directory, sync_directory
from diana_guid.core.key_tree import MIN_KEY_BYTES

_MAX_FILE_BYTES = 4096
_OTHERS_READ_OR_WRITE = stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP
_HEX_DIGITS = frozenset(string.hexdigits)


class KeyFileExposed(UserWarning):
    """Somebody besides the owner and its group's readers can read or change a key file: chmod it to 0600."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Where one domain's key is.

    path: the file.
    create: make a new random key there, with mode 0600, when the file is absent on first use.
    """

    path: Path
    create: bool = False


class MemoryKeyStore:
    """Keys given by the caller, for tests and for secrets that come from elsewhere."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Keys by domain. Raises CONFIG_INVALID when one is shorter than 32 bytes."""
        for domain, key in keys.items():
            _check_length(domain, key)
        self._keys = dict(keys)

    def key(self, domain: str) -> bytes:
        """The domain's key. Raises DOMAIN_KEY_MISSING."""
        try:
            return self._keys[domain]
        except KeyError:
            raise _missing(domain) from None


class FileKeyStore:
    """Keys in files, each read once and then held in memory."""

    def __init__(self, files: Mapping[str, KeyFile]) -> None:
        self._files = dict(files)
        self._keys: dict[str, bytes] = {}
        self._lock = Lock()

    def key(self, domain: str) -> bytes:
        """The domain's key, made durable before it is returned if this created it.

        Raises DOMAIN_KEY_MISSING when there is no readable file and none may be made, CONFIG_INVALID
        when the file holds no key of 32 bytes or more. Warns `KeyFileExposed`.
        """
        with self._lock:
            if domain not in self._keys:
                self._keys[domain] = self._read(domain)
            return self._keys[domain]

    def _read(self, domain: str) -> bytes:
        file = self._files.get(domain)
        if file is None:
            raise _missing(domain)
        try:
            if file.create:
                _ensure_key_file(file.path)
            text = _read_secret(domain, file.path)
        except OSError as error:
            # The cause names a path, which stays out of messages and out of the traceback.
            raise _missing(domain, os.strerror(error.errno or 0)) from None
        key = _decode(b"".join(text.split()))
        _check_length(domain, key)
        return key


def _read_secret(domain: str, path: Path) -> bytes:
    # O_NONBLOCK: a FIFO put in the file's place must not hang the server.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _missing(domain, "not a file")
        if mode & _OTHERS_READ_OR_WRITE:
            warnings.warn(
                f"the key file of domain {domain} is open to others: chmod 0600", KeyFileExposed, stacklevel=5
            )
        text = file.read(_MAX_FILE_BYTES + 1)
        # A part of a key would be another key.
        return text if len(text) <= _MAX_FILE_BYTES else b""


def _decode(text: bytes) -> bytes:
    """The key that text stands for; no bytes when it stands for none."""
    try:
        if _HEX_DIGITS.issuperset(text.decode("ascii")):
            return bytes.fromhex(text.decode("ascii"))
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _ensure_key_file(path: Path) -> None:
    """Have a durable key file at `path`: whoever links first wins, every other process reads that one.

    The directory is synced by losers too: an identity must not outlive the key that made it.
    """
    make_directory(path.parent)
    if not path.exists():
        _link_new_key(path)
    sync_directory(path.parent)


def _link_new_key(path: Path) -> None:
    whole = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(MIN_KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(descriptor)
        # A link, unlike a rename, never replaces the file another process made meanwhile.
        os.link(whole, path)
    except FileExistsError:
        pass
    finally:
        whole.unlink()


def _check_length(domain: str, key: bytes) -> None:
    if len(key) < MIN_KEY_BYTES:
        raise DianaError(
            Reason.CONFIG_INVALID,
            f"The key of domain {domain} is not at least {MIN_KEY_BYTES} bytes, written in base64 or hexadecimal.",
        )


def _missing(domain: str, why: str = "none is configured") -> DianaError:
    return DianaError(Reason.DOMAIN_KEY_MISSING, f"Domain {domain} has no key: {why}.")
