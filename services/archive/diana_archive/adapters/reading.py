"""A regular file, read from front to end, and the names by which people are told of files."""

from __future__ import annotations

import os
from collections.abc import Iterable

from diana_common.errors import DianaError, Reason
from diana_common.fence import missing

_NAME_LIMIT = 1000
"""Characters of a name that an operation's failures keep: its end tells more than its beginning."""


class FileReader:
    """core.importing.Reader over a descriptor, which it leaves open."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = _stamp(descriptor)

    def read(self, size: int) -> bytes:
        """See core.importing.Reader."""
        try:
            data = os.read(self._descriptor, size)
        except OSError as error:
            raise missing() from error
        if not data and _stamp(self._descriptor) != self._begun:
            raise DianaError(Reason.CHECKSUM_MISMATCH, "The file was changed while it was read.")
        return data


def shown(parts: Iterable[str]) -> str:
    """A path below the one that was asked for, as text that fits into an answer."""
    name = "/".join(parts).encode("utf-8", "backslashreplace").decode()
    return name if len(name) <= _NAME_LIMIT else "..." + name[3 - _NAME_LIMIT :]


def stamp(descriptor: int) -> str:
    """When a file was last replaced or written to, as a part of a key: later ones are greater."""
    return f"{os.fstat(descriptor).st_ctime_ns:020d}"


def _stamp(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns
