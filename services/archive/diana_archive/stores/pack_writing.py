"""A pack that grows, and the objects on their way into it."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from diana_archive.stores.direct import BLOCK, create_direct
from diana_archive.stores.pack_format import HEAD_BYTES, Entry, encode_object, join_id
from diana_archive.stores.syncing import Syncing
from diana_archive.stores.writeback import punch_hole
from diana_common.state_files import make_directory

PACK_BYTES = 1 << 30
"""A pack that has passed this takes no more. Offsets have 32 bits."""


class Pack:
    """A pack that grows. It is closed when it has been retired and nobody uses it any more."""

    def __init__(self, path: Path, number: int, syncing: Syncing) -> None:
        make_directory(path.parent)
        # Synced even where they are there: the process that made them may have died before it could.
        for directory in path.parents[1:4]:
            syncing.directory(directory)
        self.path = path
        self.number = number
        self.descriptor = create_direct(path)
        try:
            syncing.directory(path.parent)
        except BaseException:
            os.close(self.descriptor)
            raise
        self._syncing = syncing
        self._failure: OSError | None = None
        self._end = self._settled = BLOCK
        self._users = self._growing = 1
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether another should be begun."""
        return self._end >= PACK_BYTES or self._failure is not None

    @property
    def in_use(self) -> bool:
        """Whether something may still be written to it."""
        return self._users > 0

    def sync(self) -> None:
        """Make what was written durable. Raises OSError, from then on always: a system tells of a lost write once."""
        try:
            self._syncing.file(self.descriptor)
        except OSError as error:
            self._failure = error
        if self._failure:
            raise self._failure

    def reserve(self, size: int, users: int) -> int:
        """The offset of a free part, for so many further users."""
        with self._lock:
            offset = self._end
            self._end += size
            self._users += users
            return offset

    @property
    def settled_id(self) -> int:
        """Below it, nothing of this pack was on its way when last nothing at all was."""
        return join_id(self.number, self._settled)

    def retire(self) -> None:
        """It grows no more."""
        with self._lock:
            self._growing = 0
        self.leave()

    def leave(self, users: int = 1) -> None:
        """So many users less."""
        with self._lock:
            self._users -= users
            if self._users == self._growing:
                self._settled = self._end
            if not self._users:
                with suppress(OSError):
                    os.close(self.descriptor)


class PackedDraft:
    """An object that is whole: in memory until it is written to a pack. See core.ports.Draft."""

    def __init__(self, store: str, data: bytes, compress: bool) -> None:
        self.store = store
        self.size_bytes = len(data)
        self.object_id = 0
        self.kept, self._encoding = encode_object(data, compress)
        self.kept_bytes = len(self.kept)
        self.pack: Pack | None = None
        self._writing: Future[None] | None = None

    @property
    def entry(self) -> Entry:
        """Its head."""
        return Entry(self.object_id, self.size_bytes, self.kept_bytes, self._encoding)

    def lay_out(self, buffer: memoryview, pack: Pack, offset: int) -> int:
        """Write its entry to the beginning of a buffer, which will stand at that offset of the pack; its span."""
        self.object_id = join_id(pack.number, offset)
        entry, end = self.entry, HEAD_BYTES + self.kept_bytes
        buffer[:HEAD_BYTES] = entry.encode()
        buffer[HEAD_BYTES:end] = self.kept
        buffer[end : entry.span] = bytes(entry.span - end)
        return entry.span

    def settle(self, pack: Pack, writing: Future[None]) -> None:
        """It is being written to the pack, of which it is a user."""
        self.pack, self.kept, self._writing = pack, b"", writing

    def wait(self) -> None:
        """Until it is written. Raises OSError."""
        if self._writing:
            self._writing.result()

    def close(self) -> None:
        """See core.ports.Draft."""
        pack, self.pack, self.kept = self.pack, None, b""
        if pack:
            with suppress(OSError):
                self.wait()
            pack.leave()

    def discard(self) -> None:
        """See core.ports.Draft. What cannot be given back now is found by a verification."""
        if self.pack:
            with suppress(OSError):
                self.wait()
                punch_hole(self.pack.descriptor, self.entry.offset, self.entry.span)
        self.close()
