"""Windows onto a file's bytes, so that a header is read in pieces and large values are passed over."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Callable
from typing import Protocol, cast

from diana_common.dicom.limits import MIB, Limits, invalid, over_limit, truncated

Buffer = bytes | memoryview | mmap.mmap
PIECE = 64 * 1024
HEAD = 16 * 1024
"""What is read of a file first: most headers end within."""


class Source(Protocol):
    """Where windows come from; offsets count from the start of the file, or of the inflated data set."""

    def window(self, offset: int, size: int) -> tuple[bytes, int]:
        """A buffer and the offset of its first byte: all from `offset` for `size` bytes, or to the end."""

    def ends_before(self, offset: int) -> bool:
        """Whether the data is known to end before `offset`; inflates no further than the limits allow."""


class WholeSource:
    """Bytes that are all there: one window, nothing copied."""

    def __init__(self, buffer: bytes | mmap.mmap) -> None:
        # A map is sliced and unpacked exactly as bytes are.
        self._buffer = cast(bytes, buffer)

    def window(self, offset: int, size: int) -> tuple[bytes, int]:
        return self._buffer, 0

    def ends_before(self, offset: int) -> bool:
        return len(self._buffer) < offset


class ReadSource:
    """A file of known size, read in pieces by `read(offset, size)`; the last piece is kept."""

    def __init__(self, read: Callable[[int, int], bytes], size: int, limits: Limits) -> None:
        self._read = read
        self._size = size
        self._limit = limits.max_window_bytes
        self._piece = b""
        self._base = 0

    def window(self, offset: int, size: int) -> tuple[bytes, int]:
        if size > self._limit:
            raise over_limit("header bytes")
        wanted = max(0, min(size, self._size - offset))
        if self._base <= offset and offset + wanted <= self._base + len(self._piece):
            return self._piece, self._base
        piece = self._read(offset, wanted)
        if len(piece) < wanted:
            raise truncated("the file, which shrank while it was read,")
        self._piece, self._base = piece, offset
        return piece, offset

    def ends_before(self, offset: int) -> bool:
        return self._size < offset


def buffer_source(buffer: Buffer, limits: Limits) -> Source:
    """Windows onto a file in memory."""
    if isinstance(buffer, bytes | mmap.mmap):
        return WholeSource(buffer)
    view = memoryview(buffer).cast("B")
    return ReadSource(lambda offset, count: bytes(view[offset : offset + count]), len(view), limits)


class InflatedSource:
    """A deflated data set (PS3.5 A.5), inflated as far as asked for and no further; windows must not go back.

    Passing `most` bytes in all, or holding more than the header limit, is DATA_SET_LIMIT.
    """

    def __init__(self, source: Source, offset: int, limits: Limits, most: int) -> None:
        self._source = source
        self._next = offset
        self._most = most
        self._held = limits.max_header_bytes
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._data = bytearray()
        self._base = 0
        self._ended = False

    def window(self, offset: int, size: int) -> tuple[bytes, int]:
        self._inflate_to(offset, keep_from=offset)
        self._inflate_to(offset + size, keep_from=offset)
        return bytes(self._data[:size]), self._base

    def ends_before(self, offset: int) -> bool:
        self._inflate_to(offset, keep_from=self._base)
        return self._base + len(self._data) < offset

    def whole(self) -> bool:
        """Whether the deflated stream ends as it should, once all of it has been asked for."""
        return self._inflater.eof

    def _inflate_to(self, end: int, keep_from: int) -> None:
        while True:
            passed = min(keep_from - self._base, len(self._data))
            del self._data[:passed]
            self._base += passed
            reached = self._base + len(self._data)
            if reached >= end or self._ended:
                return
            if reached >= self._most or len(self._data) >= self._held:
                raise over_limit("inflated bytes")
            self._data += self._inflate(min(end - reached, MIB))

    def _inflate(self, wanted: int) -> bytes:
        pending = self._inflater.unconsumed_tail
        if not pending:
            buffer, base = self._source.window(self._next, PIECE)
            pending = buffer[self._next - base : self._next - base + PIECE]
            self._next += len(pending)
        try:
            piece = self._inflater.decompress(pending, wanted)
        except zlib.error:
            raise invalid("the deflated data set does not inflate") from None
        self._ended = self._inflater.eof or not (piece or pending)
        return piece
