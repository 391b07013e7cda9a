"""Parts of resumable uploads, in files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from diana_archive.core.ports import Contents
from diana_archive.stores.reserve import Reserve
from diana_archive.stores.spool import mapped
from diana_archive.stores.writeback import start_writing
from diana_common.state_files import make_directory

_PIECE = 1024 * 1024
_WRITE_OUT = 8 * 1024 * 1024
_SUFFIX = ".part"


class FilePart:
    """See core.parts.Part."""

    def __init__(self, path: Path, reserve: Reserve) -> None:
        """Opened as far as it is, made if absent. Raises OSError."""
        self.path = path
        self._reserve = reserve
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        status = os.fstat(self._descriptor)
        self.size_bytes = status.st_size
        self.is_shared = status.st_nlink > 1

    def write(self, data: bytes) -> None:
        """See core.parts.Part."""
        self._reserve.take(len(data))
        before = self.size_bytes
        rest = memoryview(data)
        while rest:
            written = os.write(self._descriptor, rest)
            self.size_bytes += written
            rest = rest[written:]
        if before // _WRITE_OUT < self.size_bytes // _WRITE_OUT:
            start_writing(self._descriptor)

    def pieces(self) -> Iterator[bytes]:
        """See core.parts.Part."""
        offset = 0
        while piece := os.pread(self._descriptor, _PIECE, offset):
            yield piece
            offset += len(piece)

    def contents(self) -> AbstractContextManager[Contents]:
        """See core.parts.Part."""
        return mapped(self._descriptor, self.size_bytes)

    def sync(self) -> None:
        """See core.parts.Part."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """See core.parts.Part."""
        with suppress(OSError):
            os.utime(self._descriptor)
        # What close tells of late, the digest at the upload's end would tell too.
        with suppress(OSError):
            os.close(self._descriptor)


class FileParts:
    """Files DIGEST.part in a directory, best on the file system of the objects, which need not copy them then. When
    one was last touched is its time of modification. One with another name besides is an object's file too."""

    def __init__(self, directory: Path) -> None:
        """Made if absent. Raises OSError."""
        make_directory(directory)
        self._directory = directory
        self._reserve = Reserve(directory)

    def open(self, name: str) -> FilePart:
        """See core.parts.Parts."""
        return FilePart(self._path(name), self._reserve)

    def find(self, name: str) -> tuple[int, int] | None:
        """See core.parts.Parts."""
        try:
            status = self._path(name).stat()
        except FileNotFoundError:
            return None
        return status.st_size, status.st_mtime_ns // 1000

    def count(self) -> int:
        """See core.parts.Parts."""
        return len(self._names())

    def untouched(self, before_us: int) -> Sequence[str]:
        """See core.parts.Parts."""
        found = ((name, self.find(name)) for name in self._names())
        touched = sorted((status[1], name) for name, status in found if status and status[1] < before_us)
        return [name for _, name in touched]

    def remove(self, name: str) -> None:
        """See core.parts.Parts."""
        self._path(name).unlink(missing_ok=True)

    def _names(self) -> list[str]:
        return [path.stem for path in self._directory.glob(f"*{_SUFFIX}")]

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}{_SUFFIX}"
