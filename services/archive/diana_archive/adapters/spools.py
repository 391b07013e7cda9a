"""The directories in which doors on this host leave files for the archive."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diana_common.errors import DianaError, Reason, invalid_field

# Without waiting: what turns out to be a pipe must not hold anyone up.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class PlainFile:
    """See core.adopting.Opened."""

    def __init__(self, descriptor: int, status: os.stat_result) -> None:
        self.identity = _identity(status)
        self.size_bytes = status.st_size
        self._descriptor = descriptor

    def read(self, size: int) -> bytes:
        """See core.adopting.Opened."""
        return os.read(self._descriptor, size)

    def close(self) -> None:
        """See core.adopting.Opened."""
        os.close(self._descriptor)


class DirectorySpool:
    """See core.adopting.Spool. Names are looked up in the directory itself: no link leads out of it."""

    def __init__(self, directory: Path) -> None:
        """It need not be there yet."""
        self._directory = directory

    def open(self, name: str) -> PlainFile:
        """See core.adopting.Spool."""
        with self._opened() as directory:
            try:
                descriptor = os.open(name, _FLAGS, dir_fd=directory)
            except OSError as error:
                raise _from_open(error) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise _not_plain()
            return PlainFile(descriptor, status)
        except BaseException:
            os.close(descriptor)
            raise

    def remove(self, name: str, identity: tuple[int, ...]) -> None:
        """See core.adopting.Spool."""
        with self._opened() as directory:
            try:
                if _identity(os.lstat(name, dir_fd=directory)) == identity:
                    os.unlink(name, dir_fd=directory)
            except FileNotFoundError:
                return

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _from_open(error) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _from_open(error: OSError) -> DianaError:
    if error.errno == errno.ENOENT:
        return DianaError(Reason.SOURCE_NOT_FOUND, "No such file is in the spool directory.")
    if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENODEV):
        return _not_plain()
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return DianaError(Reason.OVERLOADED, "The archive has too many files open.")
    return DianaError(Reason.INTERNAL, f"The file cannot be opened ({error.strerror}).")


def _not_plain() -> DianaError:
    return invalid_field("files.name", "is not a plain file's, with no other name")
