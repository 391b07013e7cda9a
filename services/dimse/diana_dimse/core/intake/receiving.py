"""An instance that comes over an association, on its way to the archive.

A small one waits in memory, a large one in a spool file; either is a whole Part 10 file once it is complete. It is
answered only when the archive has said that it is durable.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from diana_common.errors import DianaError, Reason

Piece = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Origin:
    """Where an instance goes and who sent it."""

    store: str
    calling: str
    """The sender's AE title."""


@dataclass(frozen=True)
class Kept:
    """An instance that is durable."""

    study_uid: str
    sop_class_uid: str
    sop_instance_uid: str


class Archive(Protocol):
    """The archive, as far as it takes instances in. Each call waits until it has answered.

    Raises DianaError as it refuses, PEER_UNAVAILABLE where it does not answer.
    """

    @property
    def takes_files(self) -> bool:
        """Whether it takes files over from the spool."""
        ...

    def upload(self, origin: Origin, data: bytes) -> Kept:
        """Hand a Part 10 file over."""
        ...

    def upload_file(self, origin: Origin, name: str) -> Kept:
        """Hand one of the spool's files over by its bytes."""
        ...

    def adopt(self, origin: Origin, name: str) -> Kept:
        """Have it take one of the spool's files over."""
        ...


class Spool(Protocol):
    """A directory for instances that are too large to hold."""

    def create(self) -> tuple[str, BinaryIO]:
        """A new file, unbuffered, and its name. Raises DianaError DISK_FULL."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no fault."""
        ...


class Budget:
    """So many bytes at a time, shared by all that is being received."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Whether there was room for so many more; if so it is taken."""
        with self._lock:
            if count > self._left:
                return False
            self._left -= count
            return True

    def give_back(self, count: int) -> None:
        """What was taken is free again."""
        with self._lock:
            self._left += count


@dataclass(frozen=True)
class Limits:
    """What may be received."""

    held_bytes: int
    """The largest instance that waits in memory."""

    instance_bytes: int
    """The largest instance."""


class Receiving:
    """The way in: makes `Incoming` instances. Safe to share between threads."""

    def __init__(self, archive: Archive, spool: Spool, memory: Budget, disk: Budget, limits: Limits) -> None:
        self.archive, self.spool = archive, spool
        self.memory, self.disk, self.limits = memory, disk, limits

    def begin(self, origin: Origin, head: bytes) -> Incoming:
        """An instance whose file begins with `head`: preamble and File Meta Information."""
        return Incoming(self, origin, head)


class Incoming:
    """One instance while it comes. `write` its data set, then `finish`; `close` it in the end, whatever happened."""

    def __init__(self, way: Receiving, origin: Origin, head: bytes) -> None:
        self._way, self._origin = way, origin
        self._held = bytearray(head)
        self._memory_taken = self._disk_taken = 0
        self._size = len(head)
        self._name = ""
        self._file: BinaryIO | None = None

    def write(self, piece: Piece) -> None:
        """Take the next bytes. Raises DianaError INSTANCE_TOO_LARGE, DISK_FULL, OVERLOADED."""
        self._size += len(piece)
        if self._size > self._way.limits.instance_bytes:
            raise DianaError(Reason.INSTANCE_TOO_LARGE, "The instance is larger than this door takes.")
        if self._file is None and self._may_hold(len(piece)):
            self._held += piece
        else:
            self._write_out(piece)

    def finish(self) -> Kept:
        """Wait until the archive has it for good. Raises DianaError as the archive refuses it."""
        if self._file is None:
            data, self._held = bytes(self._held), bytearray()  # one copy waits for the answer, not two
            return self._way.archive.upload(self._origin, data)
        self._file.close()
        give = self._way.archive.adopt if self._way.archive.takes_files else self._way.archive.upload_file
        return give(self._origin, self._name)

    def close(self) -> None:
        """Let go of what it took."""
        if self._file is not None:
            self._file.close()
            self._way.spool.remove(self._name)
        self._way.memory.give_back(self._memory_taken)
        self._way.disk.give_back(self._disk_taken)
        self._memory_taken = self._disk_taken = 0

    def _may_hold(self, count: int) -> bool:
        if self._size > self._way.limits.held_bytes or not self._way.memory.take(count):
            return False
        self._memory_taken += count
        return True

    def _write_out(self, piece: Piece) -> None:
        if not self._way.disk.take(count := len(self._held) + len(piece)):
            raise DianaError(Reason.OVERLOADED, "Too much lies in the spool directory.")
        self._disk_taken += count
        if self._file is None:
            self._name, self._file = self._way.spool.create()
        try:
            for data in (self._held, piece) if self._held else (piece,):
                _write_all(self._file, data)
        except OSError as error:
            raise DianaError(Reason.DISK_FULL, "The spool directory takes no more.") from error
        if self._held:
            self._held = bytearray()
            self._way.memory.give_back(self._memory_taken)
            self._memory_taken = 0


def _write_all(file: BinaryIO, data: Piece) -> None:
    written = file.write(data)
    while written < len(data):
        written += file.write(memoryview(data)[written:])
