"""What a caller uploads and what it hears back, and how the bytes become chunks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, cast

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Instance
from diana_client.errors import MeshError

CHUNK_BYTES = 1 << 20
"""Bytes in a chunk of a large instance, and about those in a message of small ones."""

_UNKNOWN_BYTES = CHUNK_BYTES
_ITEM_BYTES = 4096  # what remembering one unanswered instance is reckoned to cost


class Readable(Protocol):
    """Anything with `read(n)` that returns at most n bytes, and none at its end."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""


Source = bytes | Path | Readable | Callable[[], Readable]


@dataclass(frozen=True, slots=True)
class UploadItem:
    """One Part 10 file to upload. `key` is the caller's own, and comes back with the result.

    `source` is bytes, a path, something readable, or a function that opens something readable (which
    is then closed). All but the plain readable can be sent again when a connection breaks.
    """

    key: Any
    source: Source
    size: int | None = None
    """Bytes, if known: helps to bound what is under way. It need not be exact."""

    upload_id: str = ""
    """A name for this upload, at most 128 characters, the same whenever these bytes are sent: what a program that was
    killed has sent of them is not sent again by the next. Files that are large have one of their own accord."""

    @property
    def repeatable(self) -> bool:
        """Whether the source can be read once more."""
        return isinstance(self.source, bytes | Path) or callable(self.source)

    @property
    def weight(self) -> int:
        """About how many bytes it stands for while it is under way."""
        if self.size is not None:
            return self.size + _ITEM_BYTES
        if isinstance(self.source, bytes):
            return len(self.source) + _ITEM_BYTES
        if isinstance(self.source, Path):
            return _file_size(self.source) + _ITEM_BYTES
        return _UNKNOWN_BYTES + _ITEM_BYTES

    def pieces(self) -> Iterator[bytes]:
        """The bytes, in pieces of `CHUNK_BYTES` at most. An empty source yields nothing."""
        if isinstance(self.source, bytes) and len(self.source) <= CHUNK_BYTES:
            yield from [self.source] if self.source else []
        elif isinstance(self.source, Path) and _file_size(self.source) <= CHUNK_BYTES:
            # Read whole at its own size: a buffer of a full chunk for each file would cost more than the reading.
            yield from _read_all(BytesIO(self.source.read_bytes()))
        elif isinstance(self.source, bytes | Path) or callable(self.source):
            with closing(self._opened()) as opened:
                yield from _read_all(opened)
        else:
            yield from _read_all(self.source)

    def _opened(self) -> Any:
        if isinstance(self.source, bytes):
            return BytesIO(self.source)
        if isinstance(self.source, Path):
            return open(self.source, "rb", buffering=0)
        return cast(Callable[[], Readable], self.source)()


Uploadable = UploadItem | bytes | str | os.PathLike[str]
"""What `upload` takes: an item, or bytes (keyed by their number, from 0), or a path (keyed by itself)."""


def as_item(given: Uploadable, number: int) -> UploadItem:
    """The item that a shorthand stands for."""
    if isinstance(given, UploadItem):
        return given
    if isinstance(given, bytes):
        return UploadItem(number, given)
    return UploadItem(given, Path(given))


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What became of one item: `error` is None when it is stored and durable.

    `outcome` says whether it is new (`pb.UploadResult.OUTCOME_STORED`) or was there already;
    `position` is what the index takes as `at_least_position`.
    """

    key: Any
    error: MeshError | None = None
    outcome: pb.UploadResult.Outcome.ValueType = pb.UploadResult.OUTCOME_UNSPECIFIED
    instance: Instance = field(default_factory=Instance)
    position: str = ""


def _read_all(opened: Readable) -> Iterator[bytes]:
    while piece := opened.read(CHUNK_BYTES):
        yield piece


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return _UNKNOWN_BYTES
