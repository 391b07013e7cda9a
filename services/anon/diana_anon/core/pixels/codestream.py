"""The size that a codestream says it has, read before a decoder makes room for it."""

from __future__ import annotations

import struct

_SIZES = struct.Struct(">4xH4I").unpack_from
"""SIZ, its length, capabilities; the reference grid's size and the image's offset in it (ISO 15444-1 A.5.1)."""
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15, and SOF55 of JPEG-LS."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a segment."""
_CODESTREAM = b"\xff\x4f\xff\x51"
_JP2_BOXES = 64 * 1024


def stream_size(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 stream; None if it does not say, or is none."""
    try:
        if stream.startswith(b"\xff\xd8"):
            return _jpeg_size(stream)
        start = stream.find(_CODESTREAM, 0, _JP2_BOXES)
        if start < 0:
            return None
        _, right, bottom, left, top = _SIZES(stream, start + 2)
        return bottom - top, right - left
    except (struct.error, IndexError):
        return None


def _jpeg_size(stream: bytes) -> tuple[int, int] | None:
    position = 2
    while stream[position] == 0xFF:
        marker = stream[position + 1]
        position += 1 if marker == 0xFF else 2
        if marker in _FRAME_HEADERS:
            rows, columns = struct.unpack_from(">3xHH", stream, position)
            return rows, columns
        if marker == 0xDA:
            return None
        if marker != 0xFF and marker not in _ALONE:
            position += struct.unpack_from(">H", stream, position)[0]
    return None
