"""Files that hold one secret each, as text: hexadecimal when every character is a hex digit, else base64.

Lines that begin with "#" tell something about the secret and are not part of it.
"""

from __future__ import annotations

import base64
import fcntl
import os
import re
import secrets
import stat
import string
import warnings
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from diana_common.state_files import make_directory

_MAX_FILE_BYTES = 4096
_OTHERS_READ_OR_WRITE = stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP
_HEX_DIGITS = frozenset(string.hexdigits)


class KeyFileExposed(UserWarning):
    """Somebody besides the owner and its group's readers can read or change a key file: chmod it to 0600."""


def read_secret(path: Path, what: str) -> bytes:
    """The secret; no bytes when the file holds none. Warns `KeyFileExposed` naming `what` it is. Raises OSError."""
    return _decode(b"".join(line for line in _lines(path, what) if not line.startswith(b"#")))


def read_remarks(path: Path, what: str) -> list[bytes]:
    """The lines that begin with "#". Raises OSError."""
    return [line for line in _lines(path, what) if line.startswith(b"#")]


def link_secret(path: Path, secret: bytes, remark: str = "") -> bool:
    """Have a secret in a new file, with mode 0600 and whole after a power cut; False when there is one already.

    Whoever links first wins, and every other process reads that one. The directory is left to be synced by whoever
    uses the secret: what came of it must not outlive it. Raises OSError.
    """
    make_directory(path.parent)
    with _locked(path.parent, fcntl.LOCK_SH):
        whole = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(base64.b64encode(secret) + b"\n" + (f"# {remark}\n".encode() if remark else b""))
                file.flush()
                os.fsync(descriptor)
            # A link, unlike a rename, never replaces the file another process made meanwhile.
            os.link(whole, path)
        except FileExistsError:
            return False
        finally:
            whole.unlink()
    return True


def sweep_unlinked(directory: Path, name: str, keep: Set[Path] = frozenset()) -> None:
    """Remove what a crash of `link_secret` left beside the files whose names `name`, a pattern, matches whole.

    Such a file was never told of, or is a second link to a secret that stays. Nothing is done while anybody writes
    there, nor where the directory cannot be changed; `keep` are resolved paths of files that stay.
    """
    left = re.compile(rf"\.(?:{name})\.[0-9a-f]{{16}}", re.ASCII)
    with suppress(OSError), _locked(directory, fcntl.LOCK_EX | fcntl.LOCK_NB):
        for entry in directory.iterdir():
            if left.fullmatch(entry.name) and entry.resolve() not in keep:
                entry.unlink()


@contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    """Hold the directory's lock: shared for those who write in it, exclusive for who sweeps. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _lines(path: Path, what: str) -> list[bytes]:
    # O_NONBLOCK: a FIFO put in the file's place must not hang the server.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError("not a file")
        if mode & _OTHERS_READ_OR_WRITE:
            warnings.warn(f"the key file of {what} is open to others: chmod 0600", KeyFileExposed, stacklevel=5)
        text = file.read(_MAX_FILE_BYTES + 1)
    # A part of a key would be another key.
    return text.splitlines() if len(text) <= _MAX_FILE_BYTES else []


def _decode(text: bytes) -> bytes:
    compact = b"".join(text.split())
    try:
        if _HEX_DIGITS.issuperset(compact.decode("ascii")):
            return bytes.fromhex(compact.decode("ascii"))
        return base64.b64decode(compact, validate=True)
    except ValueError:
        return b""
