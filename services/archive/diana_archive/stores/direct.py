"""Writes that go past the page cache, from a few aligned buffers that all writers share.

A bulk load would otherwise fill the cache with pages that nobody reads again, and copying into fresh pages costs more
than the disk does (bench: up to 1.5 ms a CT slice, against 0.1 ms this way).
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

BLOCK = 4096
"""What offsets and lengths are multiples of: no disk in use asks for more."""

BUFFER_BYTES = 4 * 1024 * 1024 + BLOCK
_LITTLE_BYTES = 64 * 1024
_BUFFERS = 6
_WRITERS = 2


class DirectWriter:
    """Writes behind the backs of those who give it something to write, as far as its buffers reach."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(_BUFFERS)
        self._idle: list[mmap.mmap] = []
        self._threads = ThreadPoolExecutor(_WRITERS, "direct-writer")

    def write(self, descriptor: int, offset: int, size: int, lay_out: Callable[[memoryview], None]) -> Future[None]:
        """Have `lay_out` fill a buffer of that size, and write it there. The future raises OSError.

        A little is written at once: to hand it over would take longer.
        """
        self._places.acquire()
        try:
            buffer = self._take()
            with memoryview(buffer) as view:
                lay_out(view[:size])
            if size > _LITTLE_BYTES:
                return self._threads.submit(self._write, descriptor, offset, size, buffer)
        except BaseException:
            self._places.release()
            raise
        return _done(lambda: self._write(descriptor, offset, size, buffer))

    def close(self) -> None:
        """End its threads, once all is written."""
        self._threads.shutdown()

    def _take(self) -> mmap.mmap:
        try:
            # The one used last: its pages are there, and warm.
            return self._idle.pop()
        except IndexError:
            return mmap.mmap(-1, BUFFER_BYTES)

    def _write(self, descriptor: int, offset: int, size: int, buffer: mmap.mmap) -> None:
        try:
            with memoryview(buffer) as view:
                write_at(descriptor, view[:size], offset)
        finally:
            self._idle.append(buffer)
            self._places.release()


def _done(work: Callable[[], None]) -> Future[None]:
    """Work done here and now, as its future."""
    future: Future[None] = Future()
    try:
        work()
    except OSError as error:
        future.set_exception(error)
    else:
        future.set_result(None)
    return future


def create_direct(path: Path) -> int:
    """A new file's descriptor, for aligned writes past the cache where the file system can. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_DIRECT, 0o600)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # Some file systems make the file before they refuse the flag.
        path.unlink(missing_ok=True)
        return os.open(path, flags, 0o600)


def write_at(descriptor: int, data: memoryview, offset: int) -> None:
    """All of it. Raises OSError; less than all written means that there is no room for the rest."""
    if os.pwrite(descriptor, data, offset) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
