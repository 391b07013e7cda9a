"""Bytes on their way: files that nobody else sees, and that are gone with the process."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diana_archive.core.ports import Contents


class Spool:
    """An unnamed file on the file system of a directory: a crash leaves nothing of it."""

    def __init__(self, directory: Path) -> None:
        """Empty. Raises OSError."""
        with tempfile.TemporaryFile(dir=directory) as file:
            self._descriptor = os.dup(file.fileno())
        self.size_bytes = 0

    @classmethod
    def of(cls, path: Path) -> Spool:
        """What was a file of this host: its name is removed. Raises OSError."""
        spool = cls.__new__(cls)
        spool._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            spool.size_bytes = os.fstat(spool._descriptor).st_size
            path.unlink()
        except BaseException:
            spool.close()
            raise
        return spool

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises OSError."""
        write_all(self._descriptor, data)
        self.size_bytes += len(data)

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`; none past the end. Raises OSError."""
        return os.pread(self._descriptor, size, offset)

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        """All of it, mapped."""
        if not self.size_bytes:
            yield b""
            return
        with mmap.mmap(self._descriptor, self.size_bytes, prot=mmap.PROT_READ) as mapped:
            yield mapped

    def close(self) -> None:
        """Let go of it, and of what was written."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Held:
    """A few bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size_bytes = len(data)

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        self._data += data
        self.size_bytes = len(self._data)

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`; none past the end."""
        return self._data[offset : offset + size]

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        """All of it."""
        yield self._data

    def close(self) -> None:
        """Let go of it."""
        self._data = b""


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it. Raises OSError; a part may be written then."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


Body = Spool | Held
"""Both read as core.ports.ObjectReader has it."""
