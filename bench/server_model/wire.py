"""What both sides and every model share: the methods, the shape of an upload message, the work an upload causes."""

import hashlib
import itertools
from pathlib import Path
from typing import BinaryIO

UPLOAD = "/bench.Model/Upload"
PING = "/bench.Model/Ping"
FOLLOW = "/bench.Model/Follow"
MORE, LAST = b"\0", b"\1"
"""First byte of an upload message: do further chunks of the same instance follow?"""
CHUNK = 1 << 20

_numbers = itertools.count()


def messages(size: int) -> list[bytes]:
    """One instance of `size` bytes as upload messages of at most a chunk each."""
    chunks = [bytes(min(CHUNK, size - at)) for at in range(0, size, CHUNK)]
    return [MORE + chunk for chunk in chunks[:-1]] + [LAST + chunks[-1]]


class Sink:
    """Where one stream's instances go: a file each and its SHA-256. Called in order, never twice at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()

    def take(self, message: bytes) -> bytes | None:
        """Write and hash one message; return the digest when an instance is complete."""
        if self._file is None:
            self._file = open(self._folder / str(next(_numbers)), "xb", buffering=0)  # noqa: SIM115 - kept across calls
            self._digest = hashlib.sha256()
        chunk = memoryview(message)[1:]
        self._file.write(chunk)
        self._digest.update(chunk)
        if message[:1] == MORE:
            return None
        self.close()
        return self._digest.digest()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
