"""How a server's process holds on to memory."""

from __future__ import annotations

import ctypes
import gc

# mallopt(3): parameters, and what uploads of 0.5-1 MiB a message are measured to want.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
_MIB = 1 << 20


def settle_memory() -> None:
    """Set the collector and the allocator for calls that come and go. Before any thread is started."""
    # What calls make are trees without cycles: looking for some every 700 objects costs up to a fifth.
    gc.set_threshold(50_000, 20, 50)
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library than glibc, with habits of its own
    # Each message's memory is used again for the next one, rather than given back and asked for anew.
    for parameter, value in (
        (_MMAP_THRESHOLD, 32 * _MIB),
        (_TRIM_THRESHOLD, 128 * _MIB),
        (_TOP_PAD, 16 * _MIB),
        (_ARENA_MAX, 1),
    ):
        mallopt(parameter, value)
