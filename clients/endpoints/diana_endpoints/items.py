"""What endpoints hand on: an item with metadata, a header and content that is opened only when needed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

CHUNK = 1024 * 1024
"""Bytes read at a time from content."""


class Content(Protocol):
    """The bytes of an item. May be opened again, and from several threads at a time."""

    @property
    def size(self) -> int:
        """Bytes, as far as the source says; the stream has the last word."""

    def open(self) -> BinaryIO:
        """A stream from the first byte, to be closed by the caller. Raises OSError, or as its endpoint says."""


@dataclass(frozen=True, slots=True)
class BytesContent:
    """Content held in memory: small instances, and those made on the fly."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


@dataclass(frozen=True, slots=True)
class FileContent:
    """Content that lies in a file."""

    path: Path
    size: int

    def open(self) -> BinaryIO:
        return self.path.open("rb")


def chunks(content: Content) -> Iterator[bytes]:
    """The content in pieces of about 1 MiB; nothing else of it is held."""
    with content.open() as stream:
        while piece := stream.read(CHUNK):
            yield piece


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item could not be handled: a published reason, what happened, and what to do. No patient values."""

    reason: str
    message: str
    remedy: str


@dataclass(slots=True)
class Item:
    """One thing that flows through a chain.

    `meta` holds plain values by name: `id`, as its endpoint names things (a key, a path, a row's number, another
    server's id); `study_uid`, `series_uid`, `sop_instance_uid`, `size_bytes` where they are known.
    """

    meta: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] | None = None
    """DICOM JSON (PS3.18 Annex F)."""
    content: Content | None = None
    failure: Failure | None = None
    number: int = 0
    """Its place in its source, from 1: what a person is told where the path must not be shown."""
    data: dict[str, Any] | None = None
    """What it says, by name, as JSON knows values: a row of a table, the value of a key. Of an instance: its header,
    simplified, as `diana_endpoints.headers.data_of` has it."""

    @property
    def name(self) -> str:
        """A name that may stand in an error line: its deepest UID, else its number. Never a path."""
        for key in ("sop_instance_uid", "series_uid", "study_uid", "uid"):
            if self.meta.get(key):
                return str(self.meta[key])
        return f"item {self.number}" if self.number else "item"


_UNSAID = frozenset({"path", "file", "folder", "directory", "patient_id", "issuer_of_patient_id", "question"})


def public_meta(item: Item) -> dict[str, Any]:
    """Metadata without what may hold patient values: theirs, and places, which people name; an id may be a place."""
    meta = {name: value for name, value in item.meta.items() if name not in _UNSAID}
    named = str(meta.get("id", ""))
    if named == str(item.meta.get("path", "")) or "/" in named or "\\" in named:
        meta.pop("id", None)
    return meta
