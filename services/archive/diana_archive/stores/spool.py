"""Bytes on their way: files that nobody else sees, and that are gone with the process."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

from diana_archive.core.ports import Contents, OpenDraft

_D = TypeVar("_D", bound=OpenDraft)


class Spool:
    """An unnamed file on the file system of a directory: a crash leaves nothing of it."""

    def __init__(self, directory: Path) -> None:
        """Empty. Raises OSError."""
        with tempfile.TemporaryFile(dir=directory) as file:
            self._descriptor = os.dup(file.fileno())
        self.size_bytes = 0

    @classmethod
    def of(cls, path: Path) -> Spool:
        """What a file of this host has now, for reading; the file stays. Raises OSError."""
        spool = cls.__new__(cls)
        spool._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        spool.size_bytes = os.fstat(spool._descriptor).st_size
        return spool

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises OSError."""
        write_all(self._descriptor, data)
        self.size_bytes += len(data)

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`; none past the end. Raises OSError."""
        return os.pread(self._descriptor, size, offset)

    def contents(self) -> AbstractContextManager[Contents]:
        """All of it, mapped."""
        return mapped(self._descriptor, self.size_bytes)

    def close(self) -> None:
        """Let go of it, and of what was written."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Held:
    """A few bytes in memory."""

    def __init__(self) -> None:
        """Empty."""
        self._data = b""
        self.size_bytes = 0

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


def filled(draft: _D, data: bytes) -> _D:
    """A draft of all of an object, finished; discarded where that fails. Raises OSError."""
    try:
        draft.write(data)
        draft.finish()
    except BaseException:
        draft.discard()
        raise
    return draft


@contextmanager
def mapped(descriptor: int, size: int) -> Iterator[Contents]:
    """The first `size` bytes of a file, which may be none. Raises OSError."""
    if not size:
        yield b""
        return
    with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as contents:
        yield contents


Body = Spool | Held
"""Both read as core.ports.ObjectReader has it."""
