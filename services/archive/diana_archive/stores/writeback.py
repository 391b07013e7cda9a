"""What Linux offers for files and Python does not: writing out early, and giving back space in the middle."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from collections.abc import Callable
from functools import cache

_SYNC_FILE_RANGE_WRITE = 2
_KEEP_SIZE_AND_PUNCH_HOLE = 3


def _find_sync_file_range() -> Callable[[int], None]:
    try:
        function = ctypes.CDLL(None, use_errno=True).sync_file_range
    except (OSError, AttributeError):
        return lambda descriptor: None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return lambda descriptor: function(descriptor, 0, 0, _SYNC_FILE_RANGE_WRITE)


start_writing = _find_sync_file_range()
"""Begin to write a file out without waiting, where the system can; it makes nothing durable by itself."""


@cache
def _fallocate() -> Callable[[int, int, int, int], int]:
    function = ctypes.CDLL(None, use_errno=True).fallocate
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return function


def punch_hole(descriptor: int, offset: int, size: int) -> None:
    """Give back the space of a part of a file, which reads as zeros from then on. Raises OSError.

    Where the file system cannot, only the latter is done.
    """
    if _fallocate()(descriptor, _KEEP_SIZE_AND_PUNCH_HOLE, offset, size):
        code = ctypes.get_errno()
        if code != errno.EOPNOTSUPP:
            raise OSError(code, os.strerror(code))
        with mmap.mmap(-1, size) as zeros:
            os.pwrite(descriptor, zeros, offset)
