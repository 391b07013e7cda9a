"""The frames of Pixel Data as they are stored: native ones in a row, encapsulated ones in fragments (PS3.5 A.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

from diana_anon.core.pixels.faults import unreadable
from diana_anon.core.pixels.image import Image
from diana_anon.core.pixels.locate import Located
from diana_common.dicom.walk import FRAGMENT

EXTENDED_OFFSETS, EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
_ITEM = 0xE000FFFE
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP")
"""What a JPEG or JPEG-LS stream, a JPEG 2000 codestream and a JP2 file begin with."""
DELIMITER = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)

Span = tuple[int, int]
"""First byte of a fragment's content, and the byte after it."""


def native_frames(located: Located, image: Image) -> tuple[list[memoryview], memoryview, memoryview]:
    """The frames, the byte that makes their length even, if it takes one, and what follows.

    Raises PIXELS_UNREADABLE when there are too few bytes.
    """
    value = located.view[located.pixels.start : located.pixels.end]
    size, wanted = image.shape.frame_bytes, image.shape.frame_bytes * image.frames
    if len(value) < wanted:
        raise unreadable("Pixel Data is shorter than its frames")
    even = wanted + wanted % 2
    frames = [value[size * index : size * (index + 1)] for index in range(image.frames)]
    return frames, value[wanted:even], value[even:]


def encapsulated_frames(located: Located, image: Image) -> list[list[Span]]:
    """The fragments of each frame. Raises PIXELS_UNREADABLE when what belongs together is in doubt."""
    table, fragments = _fragments(located)
    return _grouped(located, table, fragments, image.frames)


def encapsulated(offsets: Sequence[int], value: memoryview) -> list[bytes | memoryview]:
    """A value of frames that are items already, `offsets` their places in it, with its Basic Offset Table."""
    table = struct.pack(f"<{len(offsets)}I", *offsets) if offsets and offsets[-1] <= 0xFFFFFFFF else b""
    return [struct.pack("<II", _ITEM, len(table)) + table, value, DELIMITER]


def item(frame: bytes) -> bytes:
    """One frame as one fragment, padded to even length. Raises PIXELS_UNREADABLE if it is too long for one."""
    if len(frame) > 0xFFFFFFFC:
        raise unreadable("a frame is too long for one fragment")
    return struct.pack("<II", _ITEM, len(frame) + len(frame) % 2) + frame + b"\0" * (len(frame) % 2)


def _fragments(located: Located) -> tuple[bytes, list[Span]]:
    """The Basic Offset Table and the fragments after it. The reader has found them whole."""
    spans: list[Span] = []
    position = located.pixels.start
    while position < located.pixels.end:
        _, length = FRAGMENT(located.view, position)
        spans.append((position + 8, position + 8 + length))
        position += 8 + length
    if not spans:
        raise unreadable("Pixel Data has no Basic Offset Table")
    (start, end), *fragments = spans
    return bytes(located.view[start:end]), fragments


def _grouped(located: Located, table: bytes, fragments: list[Span], frames: int) -> list[list[Span]]:
    """The fragments of each frame: by the offset tables, else one a frame, else by where streams begin."""
    if not fragments:
        raise unreadable("Pixel Data has no fragments")
    begun = [index for index, (start, _) in enumerate(fragments) if _begins(located, start)]
    for form, offsets in (("I", table), ("Q", located.value(EXTENDED_OFFSETS))):
        starts = _starts(form, offsets, fragments)
        if starts and len(starts) == frames and (not begun or begun == starts):
            return _cut(fragments, starts)
    if len(fragments) == frames:
        return _cut(fragments, range(frames))
    if len(begun) == frames and begun[0] == 0:
        return _cut(fragments, begun)
    raise unreadable("the fragments do not add up to the frames")


def _begins(located: Located, position: int) -> bool:
    return bytes(located.view[position : position + 6]).startswith(_STARTS)


def _starts(form: str, offsets: bytes, fragments: list[Span]) -> list[int]:
    """The fragments that a table's offsets, from the first fragment's item on, name; nothing if one names none."""
    places = {start - fragments[0][0]: index for index, (start, _) in enumerate(fragments)}
    size = struct.calcsize("<" + form)
    told = struct.unpack(f"<{len(offsets) // size}{form}", offsets[: len(offsets) // size * size])
    found = [places.get(offset, -1) for offset in told]
    ascending = all(one < other for one, other in pairwise(found))
    return found if found and found[0] == 0 and ascending else []


def _cut(fragments: list[Span], starts: Sequence[int]) -> list[list[Span]]:
    return [fragments[start:end] for start, end in pairwise([*starts, len(fragments)])]
