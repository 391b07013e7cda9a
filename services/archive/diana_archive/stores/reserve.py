"""Room that uploads leave free, so that on a full disk the catalogue can still be opened, and take deletes."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

from diana_common.state_files import make_directory

_MOST_BYTES = 256 * 1024 * 1024
_PART = 20
_LOOK_SECONDS = 0.1


class Reserve:
    """Of the file system of `root`, 256 MiB, or a twentieth where that is less."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._left = 0
        self._due = 0.0

    def take(self, size_bytes: int) -> None:
        """So much is about to be written. Raises OSError ENOSPC when it would come from the reserve."""
        with self._lock:
            now = time.monotonic()
            if now >= self._due or self._left < size_bytes:
                self._left = self._look()
                self._due = now + _LOOK_SECONDS
            if self._left < size_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._left -= size_bytes

    def _look(self) -> int:
        """What may be taken."""
        make_directory(self._root)
        status = os.statvfs(self._root)
        kept = min(_MOST_BYTES, status.f_blocks * status.f_frsize // _PART)
        return status.f_bavail * status.f_frsize - kept
