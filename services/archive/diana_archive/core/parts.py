"""What has arrived of resumable uploads, and which stream may add to it.

A part's life: a stream takes it over, appends, gives it up or is cut, another stream takes it over. At the end an
object is made of it, and it stays until that one is committed: after a refusal that passes, or a crash, the upload
is finished without its bytes being sent again. It is dropped when it is stored, or not what was meant, when nothing
came for too long, and when another needs its place.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from diana_archive.core.failures import from_write
from diana_archive.core.ports import Clock, Contents
from diana_common.errors import DianaError, Reason, invalid_field

MOST_PARTS = 1000
_LONGEST_ID = 128
_FRESH_US = 5 * 60 * 1_000_000
"""A part to which something came since then makes room for no other."""


class Part(Protocol):
    """A file that grows, used by one thread at a time. It survives the process; after a power cut its end may not."""

    path: Path
    size_bytes: int
    is_shared: bool
    """Whether an object may have these very bytes, so that nothing is to be appended."""

    def write(self, data: bytes) -> None:
        """Append; of what fails, a beginning may be there. Raises OSError."""

    def pieces(self) -> Iterator[bytes]:
        """All that was written, about 1 MiB at a time. Raises OSError."""

    def contents(self) -> AbstractContextManager[Contents]:
        """All that was written, mapped, not copied. Raises OSError."""

    def sync(self) -> None:
        """Make the bytes durable, so that who takes the file over need not wait for them. Raises OSError."""

    def close(self) -> None:
        """Let go of it; what was written stays, and counts as touched now."""


class Parts(Protocol):
    """Parts by name, outside of the object store."""

    def open(self, name: str) -> Part:
        """A part as far as it is; an empty one where there is none. Raises OSError."""

    def find(self, name: str) -> tuple[int, int] | None:
        """Its size in bytes and when it was last touched, in microseconds; None without one. Raises OSError."""

    def count(self) -> int:
        """How many there are. Raises OSError."""

    def untouched(self, before_us: int) -> Sequence[str]:
        """Names of those that were not touched since that time, the longest untouched first. Raises OSError."""

    def remove(self, name: str) -> None:
        """Remove one, if it is there. Raises OSError."""


class Hold:
    """One stream's hold on a part, until another takes it over. `size_bytes` is what it had when it was taken, and
    once the hold is left, what it had then."""

    def __init__(self, name: str, resuming: Resuming) -> None:
        self.name = name
        self.size_bytes = 0
        self.lock = threading.RLock()
        self._resuming = resuming
        self._part: Part | None = None

    @contextmanager
    def turn(self) -> Iterator[Part]:
        """The part, while nobody else can have it. Raises DianaError UPLOAD_ORDER once another stream has."""
        with self.lock:
            if self._part is None:
                raise DianaError(Reason.UPLOAD_ORDER, "Another stream goes on with this upload.")
            yield self._part

    def leave(self) -> None:
        """Let go of the part, and leave it as it is, unless it is empty; waits for a turn of another thread's."""
        with self.lock:
            part, self._part = self._part, None
            if part:
                self.size_bytes = part.size_bytes
                part.close()
                if not part.size_bytes:
                    self._resuming.remove(self.name)
                self._resuming.left(self)

    def drop(self) -> None:
        """Remove the part, if it is still held."""
        with self.lock:
            if self._part:
                self._resuming.remove(self.name)
                self.leave()

    def begin(self, parts: Parts, before: Hold | None) -> None:
        """Wait until the one before has let go, and open the part. Raises OSError."""
        if before:
            before.leave()
        self._part = parts.open(self.name)
        self.size_bytes = self._part.size_bytes


class Resuming:
    """The resumable uploads of one process."""

    def __init__(self, parts: Parts, clock: Clock, lifetime_us: int, most_parts: int = MOST_PARTS) -> None:
        self._parts = parts
        self._clock = clock
        self._lifetime_us = lifetime_us
        self._most = most_parts
        self._lock = threading.Lock()
        self._held: dict[str, Hold] = {}

    def take_over(self, store: str, upload_id: str) -> Hold:
        """Go on with an upload, or begin it; a stream that had it before has it no more.

        Where there are too many, the one that was not touched for longest is dropped. Raises DianaError
        INVALID_FIELD, OVERLOADED when all are held or fresh, DISK_FULL, INTERNAL.
        """
        if len(upload_id) > _LONGEST_ID:
            raise invalid_field("chunks.upload_id", f"is longer than {_LONGEST_ID} characters")
        hold = Hold(_name(store, upload_id), self)
        # Locked before anyone can find it: who comes next waits here until this one has opened the part.
        with hold.lock:
            try:
                hold.begin(self._parts, self._replace(hold))
            except OSError as error:
                self.left(hold)
                raise from_write(error) from error
        return hold

    def progress(self, store: str, upload_id: str) -> tuple[int, int]:
        """How many bytes of an upload are kept, and until when. Raises DianaError UPLOAD_NOT_FOUND."""
        found = self._parts.find(_name(store, upload_id))
        if found is None:
            raise DianaError(Reason.UPLOAD_NOT_FOUND, "Nothing is kept of an upload of that name.")
        size_bytes, touched_us = found
        return size_bytes, touched_us + self._lifetime_us

    def expire(self) -> None:
        """Remove parts to which nothing came for a lifetime, except those that a stream holds. Raises OSError."""
        for name in self._parts.untouched(self._clock() - self._lifetime_us):
            with self._lock:
                if name not in self._held:
                    self._parts.remove(name)

    def left(self, hold: Hold) -> None:
        """A hold has ended."""
        with self._lock:
            if self._held.get(hold.name) is hold:
                del self._held[hold.name]

    def remove(self, name: str) -> None:
        """Remove a part; what cannot be removed now expires."""
        try:
            self._parts.remove(name)
        except OSError:
            return

    def _replace(self, hold: Hold) -> Hold | None:
        """Enter a hold; the one that had its place."""
        with self._lock:
            if self._parts.count() >= self._most and self._parts.find(hold.name) is None:
                self._make_room()
            before = self._held.get(hold.name)
            self._held[hold.name] = hold
            return before

    def _make_room(self) -> None:
        """Drop the part that was not touched for longest; the lock is held."""
        for name in self._parts.untouched(self._clock() - _FRESH_US):
            if name not in self._held:
                self._parts.remove(name)
                return
        raise DianaError(Reason.OVERLOADED, "Too many resumable uploads are unfinished.")


def _name(store: str, upload_id: str) -> str:
    """A caller's own text never becomes a file's name."""
    return hashlib.sha256(f"{store}/{upload_id}".encode()).hexdigest()
