"""Content that arrives in pieces, and content on its way into an archive."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from diana_client.items import Source
from diana_common.errors import invalid_field
from diana_endpoints.items import BytesContent, FileContent, Item

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Pieces(Iterator[bytes], Protocol):
    """Bytes as they arrive, which can be given up: a generator."""

    def close(self) -> None:
        """Give the rest up."""


@dataclass(frozen=True, slots=True)
class PiecesContent:
    """Content that is asked for when it is opened, and comes in pieces (diana_endpoints.items.Content)."""

    size: int
    ask: Callable[[], Pieces]
    """Asks for it from the first byte."""

    def open(self) -> BinaryIO:
        return io.BufferedReader(_Stream(self.ask()))


class _Stream(io.RawIOBase):
    """A stream over pieces that arrive. Reading raises what they raise."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._held = memoryview(piece)
        view = memoryview(buffer)
        count = min(len(view), len(self._held))
        view[:count], self._held = self._held[:count], self._held[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            with suppress(ValueError):  # it is being read by another thread, whose end is its own
                self._pieces.close()
        super().close()


def upload_source(item: Item) -> Source:
    """What an archive client's upload reads of an item; reading one without content raises DianaError INVALID_FIELD."""
    match item.content:
        case FileContent(path=path):
            return path
        case BytesContent(data=data):
            return data
        case None:
            return _no_content
        case content:
            return content.open


def _no_content() -> BinaryIO:
    raise invalid_field("content", "is required: get the instance before it is put")
