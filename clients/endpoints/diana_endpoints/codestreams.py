"""What a compressed frame says of its own size, read before a decoder is trusted with it.

A decoder makes room for what the stream says, whatever the header does: JPEG (T.81), JPEG-LS (T.87) and JPEG 2000
(T.800).
"""

from __future__ import annotations

import struct

_SOI = b"\xff\xd8"
_SOC = b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}
"""SOF0 to SOF15, and SOF55 of JPEG-LS; the three in between are other segments."""
_ALONE = {0x01, 0xFF, *range(0xD0, 0xDA)}
"""Markers without a length."""


def size_of(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns that a codestream will make; None when it is none of these, or damaged before it says so."""
    try:
        if stream.startswith(_SOI):
            return _jpeg(stream)
        if stream.startswith(_SOC):
            return _jpeg2000(stream, 0)
        if stream.startswith(_JP2):
            start = stream.find(_SOC)
            return _jpeg2000(stream, start) if start >= 0 else None
    except struct.error:
        return None
    return None


def _jpeg2000(stream: bytes, start: int) -> tuple[int, int]:
    """SIZ: the extent of the reference grid less its offset (T.800 section A.5.1)."""
    width, height, left, top = struct.unpack_from(">4I", stream, start + 8)
    return height - top, width - left


def _jpeg(stream: bytes) -> tuple[int, int] | None:
    place = 2
    while True:
        prefix, marker = struct.unpack_from(">BB", stream, place)
        if prefix != 0xFF:
            return None
        if marker in _ALONE:
            place += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", stream, place + 2)
        if marker in _FRAME_HEADERS:
            rows, columns = struct.unpack_from(">HH", stream, place + 5)
            return rows, columns
        if length < 2 or marker == 0xDA:
            return None
        place += 2 + length
