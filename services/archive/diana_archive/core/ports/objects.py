"""Where instances' bytes lie.

An object's life: `create` a draft, write it, `finish` it, `make_durable` it, add its row in a transaction. Until that
row is committed it is nothing, and is set aside at the next start.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

Contents = bytes | mmap.mmap
"""An object's bytes, all there."""


class Draft(Protocol):
    """An object that is all there, on its way to be durable. Its id is told once it is."""

    @property
    def object_id(self) -> int:
        """Its name among the objects."""

    @property
    def size_bytes(self) -> int:
        """How many bytes it is when it is read."""

    def close(self) -> None:
        """Let go of it; what was written stays."""

    def discard(self) -> None:
        """Remove it and what was written; never raises."""


class OpenDraft(Draft, Protocol):
    """An object being written by one thread at a time."""

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises OSError."""

    def contents(self) -> AbstractContextManager[Contents]:
        """All that was written, mapped, not copied."""

    def finish(self) -> None:
        """Nothing more is written: bring it into the form it is kept in. Raises OSError."""


class ObjectReader(Protocol):
    """An object open for reading. When it is removed meanwhile it stays readable, or FileNotFoundError is raised."""

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`; none past the end. Raises OSError."""

    def contents(self) -> AbstractContextManager[Contents]:
        """All of it, mapped, not copied. Raises OSError."""

    def close(self) -> None:
        """Let go of it."""


class Objects(Protocol):
    """Where Part 10 bytes lie, by store and object id. Ids are never given twice."""

    def create(self, store: str) -> OpenDraft:
        """A new empty object. Raises OSError."""

    def place(self, store: str, data: bytes) -> Draft:
        """A new object that is these bytes. Raises OSError."""

    def adopt(self, store: str, path: Path) -> OpenDraft:
        """A new object that is a file of this host, whole; it stays, and is not to be written to. Raises OSError."""

    def make_durable(self, drafts: Sequence[Draft]) -> list[OSError | None]:
        """Make them survive a power cut, together; one answer each, None when it will."""

    def open(self, store: str, object_id: int) -> ObjectReader:
        """Raises FileNotFoundError, OSError."""

    def remove(self, objects: Sequence[tuple[str, int]]) -> list[OSError | None]:
        """Remove objects, by store and id, durably together; one answer each, None when it is gone."""

    def settled(self, store: str, after_id: int, limit: int) -> list[int]:
        """Ids of objects after that one, in order, that no draft of this run can have."""

    def set_aside(self, store: str, object_ids: Sequence[int]) -> None:
        """Move objects out of the way, durably. Raises OSError."""

    def drop_orphans(self, before_us: int) -> int:
        """Remove what was set aside at a start before that time, as far as it can be; how many."""
