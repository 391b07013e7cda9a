"""What readers hold beyond what they were asked for: within one budget for all, for any of them may stall with it."""

from __future__ import annotations

import threading
from collections import OrderedDict

_MOST_BYTES = 32 * 1024 * 1024
_UNPACKED_AT_ONCE = 4


class Ahead:
    """Bytes held for readers, one piece each. Who asked for its own longest ago lets go first, and makes it anew."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self.unpacking = threading.BoundedSemaphore(_UNPACKED_AT_ONCE)
        """Held while an object is decompressed: many readers that begin in one moment need not all have theirs then."""
        self._most_bytes = most_bytes
        self._bytes = 0
        self._held: OrderedDict[object, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, reader: object) -> bytes | None:
        """What is held for a reader; None when it had to go."""
        with self._lock:
            if reader in self._held:
                self._held.move_to_end(reader)
            return self._held.get(reader)

    def hold(self, reader: object, data: bytes) -> None:
        """Hold this for a reader, in the place of what it had. Until it is dropped."""
        with self._lock:
            self._forget(reader)
            self._held[reader] = data
            self._bytes += len(data)
            while self._bytes > self._most_bytes and len(self._held) > 1:
                self._forget(next(iter(self._held)))

    def drop(self, reader: object) -> None:
        """A reader needs nothing more."""
        with self._lock:
            self._forget(reader)

    def _forget(self, reader: object) -> None:
        self._bytes -= len(self._held.pop(reader, b""))


OF_ALL = Ahead()
"""The budget of this process."""
