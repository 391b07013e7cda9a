"""Blanking rectangles of uncompressed frames: work on bytes by rows, whatever the samples mean.

What is blanked becomes 0, but for the colour of YBR samples, which becomes 128: black (PS3.3 C.7.6.3.1.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from diana_anon.core.pixels.faults import unreadable
from diana_anon.core.pixels.model import Region, Shape

Stretch = tuple[int, int, bytes]
"""First byte in a frame, the byte after the last, and what is written there."""

_YBR = frozenset({"YBR_FULL", "YBR_FULL_422"})


@dataclass(frozen=True, slots=True)
class _Plane:
    """Rows of cells, one after the other: `across` pixels of a row to a cell, and what a blank cell is."""

    start: int
    across: int
    cell: bytes


def stretches(shape: Shape, regions: Iterable[Region]) -> list[Stretch]:
    """The bytes of one frame that blank the regions, ascending, none twice. Raises PIXELS_UNREADABLE."""
    inside = [part for region in regions if (part := region.within(shape.columns, shape.rows))]
    found: list[Stretch] = []
    for plane in _planes(shape):
        size = len(plane.cell)
        row_bytes = shape.columns // plane.across * size
        for start, end in _runs(inside, plane.across, size, row_bytes):
            found.append((plane.start + start, plane.start + end, plane.cell * ((end - start) // size)))
    return _whole_words(found, shape.frame_bytes) if shape.swapped else found


def blanked(frame: memoryview, bytes_to_blank: Sequence[Stretch]) -> Iterator[bytes | memoryview]:
    """The frame in pieces: views of it, and blank bytes."""
    position = 0
    for start, end, blank in bytes_to_blank:
        if start > position:
            yield frame[position:start]
        yield blank
        position = end
    if position < len(frame):
        yield frame[position:]


def _planes(shape: Shape) -> list[_Plane]:
    depth = shape.bits_allocated // 8
    if shape.photometric == "YBR_FULL_422":
        if shape.columns % 2 or depth != 1 or shape.samples != 3 or shape.planes:
            raise unreadable("subsampled colours are not laid out as YBR_FULL_422 has them")
        return [_Plane(0, 2, b"\0\0\x80\x80")]
    colour = b"\x80" if shape.photometric in _YBR and depth == 1 else bytes(depth)
    if shape.samples == 1:
        return [_Plane(0, 1, bytes(depth))]
    if not shape.planes:
        return [_Plane(0, 1, bytes(depth) + 2 * colour)]
    plane = shape.rows * shape.columns * depth
    return [_Plane(plane * index, 1, colour if index else bytes(depth)) for index in range(3)]


def _whole_words(found: Sequence[Stretch], frame_bytes: int) -> list[Stretch]:
    """The same in pairs of bytes, of which either may be the one that is meant."""
    if found and frame_bytes % 2:
        raise unreadable("their frames end within a word")
    words = {word for start, end, _ in found for word in range(start // 2, (end + 1) // 2)}
    runs = _joined((2 * word, 2 * word + 2) for word in sorted(words))
    return [(start, end, bytes(end - start)) for start, end in runs]


def _runs(regions: Iterable[Region], across: int, size: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """The bytes of a plane to blank: ascending, those that touch in one."""
    rows: list[tuple[int, int]] = []
    for region in regions:
        left, right = region.left // across * size, -(-region.right // across) * size
        if right - left == row_bytes:
            rows.append((region.top * row_bytes, region.bottom * row_bytes))
        else:
            rows += [(row * row_bytes + left, row * row_bytes + right) for row in range(region.top, region.bottom)]
    yield from _joined(sorted(rows))


def _joined(runs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Those that touch in one; ascending, as they come."""
    held: tuple[int, int] | None = None
    for start, end in runs:
        if held and start <= held[1]:
            held = held[0], max(held[1], end)
        else:
            if held:
                yield held
            held = start, end
    if held:
        yield held
