"""The disk that large instances are spooled to."""

from __future__ import annotations

import errno
import mmap
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid
from diana_common.state_files import make_directory

IN_MEMORY_BYTES = 8 * 1024 * 1024
"""An instance up to this size is held in memory."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskSpool:
    """core.ports.Spool: small instances in memory, larger ones mapped from files that have no name."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """The folder is made if absent. Raises DianaError CONFIG_INVALID if it cannot be used."""
        self._folder = folder
        self._max_bytes = max_bytes
        try:
            make_directory(folder)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise config_invalid("work_dir", f"the directory cannot be used ({error.strerror})") from None

    def collect(self, pieces: Iterable[bytes]) -> bytes | mmap.mmap:
        """See core.ports.Spool."""
        held: list[bytes] = []
        size, bounded = 0, self._bounded(pieces)
        for piece in bounded:
            held.append(piece)
            size += len(piece)
            if size > IN_MEMORY_BYTES:
                return self._mapped(chain(_drained(held), bounded))
        return held[0] if len(held) == 1 else b"".join(held)

    def _bounded(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > self._max_bytes:
                text = f"The instance is larger than {self._max_bytes} bytes, the most that is taken."
                raise DianaError(Reason.INSTANCE_TOO_LARGE, text)
            yield piece

    def _mapped(self, pieces: Iterable[bytes]) -> mmap.mmap:
        with ExitStack() as stack:
            with _disk():
                file = stack.enter_context(tempfile.TemporaryFile(dir=self._folder))
            for piece in pieces:
                with _disk():
                    file.write(piece)
            with _disk():
                file.flush()
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _drained(held: list[bytes]) -> Iterator[bytes]:
    """The pieces in order, each let go of as it is taken."""
    held.reverse()
    while held:
        yield held.pop()


@contextmanager
def _disk() -> Iterator[None]:
    """Turn the disk's failures into typed ones; their own text names paths."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DianaError(Reason.DISK_FULL, "The disk that large instances are spooled to is full.") from None
        raise DianaError(Reason.INTERNAL, "The disk that large instances are spooled to failed.") from None
