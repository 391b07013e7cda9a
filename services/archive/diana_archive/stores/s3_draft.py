"""An object on its way to a bucket."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from diana_archive.core.ports import Contents
from diana_archive.stores.s3_bucket import Bucket
from diana_archive.stores.spool import Body, Spool
from diana_archive.stores.zstd import compress

PLAIN = ".dcm"
ZSTD = ".dcm.zst"
_LARGE = 8 * 1024 * 1024
_LARGE_PUTS = 3
_PUTS = 16
_CHORES = 4
_PIECE = 1024 * 1024


def key(folder: str, store: str, object_id: int, suffix: str) -> str:
    """Where an object lies; `folder` is "objects" or "orphans"."""
    return f"{folder}/{store}/{object_id:019d}{suffix}"


@dataclass(frozen=True, slots=True)
class Desk:
    """What drafts of one archive share.

    Only the puts that a commit waits for are in `pool`. `large` bounds the memory that multipart puts take.
    """

    bucket: Bucket
    spool_dir: Path
    compressed: Collection[str]
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_PUTS, "s3-put"))
    chores: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_CHORES, "s3-chore"))
    large: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_LARGE_PUTS))


class S3Draft:
    """Bytes on this host until they are put: large ones by whoever finishes them, so that no commit waits for them."""

    def __init__(self, desk: Desk, store: str, object_id: int, body: Body) -> None:
        self.object_id = object_id
        self.size_bytes = body.size_bytes
        self._desk = desk
        self._store = store
        self._body = body
        self._suffix = PLAIN
        self._there = False
        self._perhaps_there = False

    def write(self, data: bytes | memoryview) -> None:
        """See core.ports.Draft."""
        self._body.write(data)
        self.size_bytes = self._body.size_bytes

    def contents(self) -> AbstractContextManager[Contents]:
        """See core.ports.Draft."""
        return self._body.contents()

    def finish(self) -> None:
        """See core.ports.Draft."""
        if self._store in self._desk.compressed:
            self._compress()
        if self._body.size_bytes > _LARGE:
            self.put()

    def put(self) -> None:
        """Have the store acknowledge it. Raises FileExistsError when another is there under its id, OSError."""
        if self._there:
            return
        self._perhaps_there = True
        try:
            self._create()
        except FileExistsError:
            if not self._is_there():
                self._perhaps_there = False
                raise
        self._there = True

    def close(self) -> None:
        """See core.ports.Draft."""
        self._body.close()

    def discard(self) -> None:
        """See core.ports.Draft. It does not wait for the store; what cannot be removed is an orphan."""
        self.close()
        if self._perhaps_there:
            # Nobody does chores any more at the end.
            with suppress(RuntimeError):
                self._desk.chores.submit(self._desk.bucket.delete, [self._key])

    @property
    def _key(self) -> str:
        return key("objects", self._store, self.object_id, self._suffix)

    def _compress(self) -> None:
        packed = Spool(self._desk.spool_dir)
        try:
            with self._body.contents() as contents:
                pays = compress(contents, packed.write)
        except BaseException:
            packed.close()
            raise
        if pays:
            self._suffix = ZSTD
            self._body, packed = packed, self._body
        packed.close()

    def _create(self) -> None:
        size = self._body.size_bytes
        if size > _LARGE:
            with self._desk.large:
                self._desk.bucket.create_large(self._key, self._pieces(), size)
        else:
            self._desk.bucket.create(self._key, self._body.read(0, size))

    def _pieces(self) -> Iterator[bytes]:
        offset = 0
        while piece := self._body.read(offset, _PIECE):
            offset += len(piece)
            yield piece

    def _is_there(self) -> bool:
        """Whether what is there are these bytes: a put whose answer was lost, and that was made again."""
        size = self._body.size_bytes
        if size > _LARGE:
            return False
        return self._desk.bucket.find(self._key, size).data == self._body.read(0, size)
