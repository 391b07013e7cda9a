"""The Image Pixel Module (PS3.3 C.7.6.3) as an instance's header has it, checked before anything is allocated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from diana_anon.core.pixels.faults import unreadable
from diana_anon.core.pixels.locate import Located
from diana_anon.core.pixels.model import Shape, Window
from diana_common.conditions import Header
from diana_common.dicomjson import first_value, texts

MAX_FRAME_BYTES = 512 * 1024 * 1024
"""The largest frame that is decoded, uncompressed."""
MAX_FRAMES = 100_000
GE_PRIVATE = "1.2.840.113619.5.2"
"""GE's form of Implicit VR Little Endian, whose pixels are big endian."""

_BITS = frozenset({8, 16, 32})
_PALETTES = ((0x00281101, 0x00281201), (0x00281102, 0x00281202), (0x00281103, 0x00281203))


@dataclass(frozen=True, slots=True)
class Image:
    """An image: how its frames lie once decoded, how many there are, and how they are shown."""

    shape: Shape
    frames: int
    window: Window


def number(header: Header, tag: str) -> int | None:
    """A whole number of the header; None if it is not there or is none."""
    try:
        return int(first_value(header, tag) or "")
    except ValueError:
        return None


def read_image(header: Header, located: Located) -> Image:
    """Raises PIXELS_UNREADABLE for what no frame can be decoded by, or would take too much to."""
    shape = Shape(
        rows=_needed(header, "00280010", "Rows"),
        columns=_needed(header, "00280011", "Columns"),
        samples=_needed(header, "00280002", "Samples per Pixel"),
        bits_allocated=_needed(header, "00280100", "Bits Allocated"),
        bits_stored=_needed(header, "00280101", "Bits Stored"),
        signed=number(header, "00280103") == 1,
        photometric=first_value(header, "00280004") or "",
        planes=number(header, "00280006") == 1,
        big_endian=located.context.order == ">" or located.transfer_syntax_uid == GE_PRIVATE,
    )
    if located.context.order == ">" and located.pixels.vr == b"OW" and shape.bits_allocated == 8:
        shape = replace(shape, swapped=True)
    frames = number(header, "00280008")
    frames = 1 if frames is None else frames
    if shape.samples not in (1, 3) or shape.bits_allocated not in _BITS:
        raise unreadable("Samples per Pixel or Bits Allocated is not one that is decoded")
    if not 0 < shape.bits_stored <= shape.bits_allocated:
        raise unreadable("Bits Stored does not fit Bits Allocated")
    if not 0 < frames <= MAX_FRAMES:
        raise unreadable(f"Number of Frames is not between 1 and {MAX_FRAMES}")
    if shape.frame_bytes > MAX_FRAME_BYTES:
        raise unreadable(f"a frame has more than {MAX_FRAME_BYTES} bytes")
    return Image(shape, frames, _window(header, located))


def _needed(header: Header, tag: str, name: str) -> int:
    found = number(header, tag)
    if found is None or found < 1:
        raise unreadable(f"{name} is missing or no positive number")
    return found


def _window(header: Header, located: Located) -> Window:
    """The widest window of those given: narrower ones may hide text."""
    pairs = zip(_numbers(header, "00281050"), _numbers(header, "00281051"))
    width, center = max(((width, center) for center, width in pairs if width >= 1), default=(None, None))
    slope, intercept = _numbers(header, "00281053"), _numbers(header, "00281052")
    return Window(
        center, width, slope[0] if slope else 1.0, intercept[0] if intercept else 0.0, _palette(header, located)
    )


def _numbers(header: Header, tag: str) -> list[float]:
    try:
        found = [float(text) for text in texts(header, tag)]
    except ValueError:
        return []
    return found if all(map(math.isfinite, found)) else []


def _palette(header: Header, located: Located) -> tuple[tuple[int, bytes], ...]:
    """Red, green and blue as 16-bit entries, little endian (PS3.3 C.7.6.3.1.5); empty if they are not whole."""
    tables = []
    for descriptor, data in _PALETTES:
        told = [int(value) for value in _numbers(header, f"{descriptor:08X}")]
        entries = located.value(data)
        if len(told) != 3 or told[0] < 0 or not entries:
            return ()
        count = told[0] or 65536
        if len(entries) >= 2 * count:
            entries = entries[: 2 * count]
            swapped = located.context.order == ">"
            tables.append((told[1], _swapped(entries) if swapped else entries))
        elif len(entries) >= count:
            tables.append((told[1], b"".join(bytes((value, value)) for value in entries[:count])))
        else:
            return ()
    return tuple(tables)


def _swapped(entries: bytes) -> bytes:
    turned = bytearray(len(entries))
    turned[::2], turned[1::2] = entries[1::2], entries[::2]
    return bytes(turned)
