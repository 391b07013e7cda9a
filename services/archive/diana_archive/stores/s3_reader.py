"""An object in a bucket, open for reading."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from diana_archive.core.ports import Contents
from diana_archive.stores.ahead import OF_ALL, Ahead
from diana_archive.stores.s3_bucket import Bucket
from diana_archive.stores.zstd import spooled

_WINDOW = 4 * 1024 * 1024


class S3Reader:
    """core.ports.ObjectReader: a small object is read at once, a large one in windows ahead of who reads on."""

    def __init__(self, bucket: Bucket, key: str, spool_dir: Path, ahead: Ahead = OF_ALL) -> None:
        """`spool_dir` is where `contents` maps large ones from. Raises FileNotFoundError, OSError."""
        self._bucket = bucket
        self._key = key
        self._spool_dir = spool_dir
        found = bucket.find(key, _WINDOW)
        self.size_bytes = found.size_bytes
        self._start = self._next = 0
        self._ahead = ahead
        self._ahead.hold(self, found.data or b"")

    def read(self, offset: int, size: int) -> bytes:
        """See core.ports.ObjectReader."""
        end = min(offset + size, self.size_bytes)
        if offset >= end:
            return b""
        window = self._ahead.find(self) or b""
        if offset < self._start or end > self._start + len(window):
            ahead = max(end, min(offset + _WINDOW, self.size_bytes)) if offset == self._next else end
            window = self._bucket.read(self._key, offset, ahead)
            self._ahead.hold(self, window)
            self._start = offset
        self._next = end
        return window[offset - self._start : end - self._start]

    def contents(self) -> AbstractContextManager[Contents]:
        """See core.ports.ObjectReader."""
        return spooled(self, self.size_bytes, self._spool_dir)

    def close(self) -> None:
        """See core.ports.ObjectReader."""
        self._ahead.drop(self)
