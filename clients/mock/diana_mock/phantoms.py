"""Pixels: a phantom of ellipses, painted once for its kind and place, and grain that is another for each image.

Adding is done on whole images, as one large integer each: a lane of 8 or 16 bits a pixel never overflows into the next.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from diana_mock.anatomy import LESION, Ellipse

STEPS = 12
"""Places along a body that are painted apart: slices between two of them look alike but for their grain."""

_MOST_BYTES = 64 * 1024 * 1024
_POOL = 65536
"""Bytes by which two images' grain may be shifted."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """How bright each tissue is in a kind of image: stored values, without their grain."""

    tissues: Mapping[str, int]
    background: int
    grain: int
    """Grain is 0 to this, one less than a power of two."""
    bits: int = 16
    """8 or 16 a pixel."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What an image shows."""

    shapes: tuple[Ellipse, ...]
    contrast: Contrast
    rows: int
    columns: int
    build: int = 10
    """Ten times how wide the patient is."""
    lesion: bool = False

    @property
    def pixel_bytes(self) -> int:
        """Bytes of its pixels."""
        return self.rows * self.columns * self.contrast.bits // 8


def pixels(picture: Picture, place: float, draw: int) -> bytes:
    """Pixels at a place (0 to below 1) along the body, little-endian; another `draw`, another grain."""
    size = picture.pixel_bytes
    shift = draw * 2 % _POOL
    grain = int.from_bytes(_grain(size, picture.contrast.grain, picture.contrast.bits)[shift : shift + size], "little")
    return (_PAINTED.get(picture, int(place * STEPS)) + grain).to_bytes(size, "little")


@lru_cache(maxsize=8)
def _grain(size: int, most: int, bits: int) -> bytes:
    """Two draws a pixel, added up: the middle is more frequent than the ends."""
    length, half = size + _POOL, most // 2
    low = bytes(value & half for value in range(256))
    lanes = 0
    for turn in range(2):
        noise = bytearray(Random(f"grain {turn}").randbytes(length).translate(low))
        if bits == 16:
            noise[1::2] = bytes(length // 2)
        lanes += int.from_bytes(noise, "little")
    return lanes.to_bytes(length, "little")


class _Painted:
    """Pictures without grain, those used last; 64 MiB of them at most, and the newest."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[Picture, int], int] = OrderedDict()
        self._bytes = 0

    def get(self, picture: Picture, step: int) -> int:
        """A picture, painted if it is not held."""
        key = (picture, step)
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        while self._held and self._bytes + picture.pixel_bytes > _MOST_BYTES:
            (gone, _), _ = self._held.popitem(last=False)
            self._bytes -= gone.pixel_bytes
        self._held[key] = _painted(picture, step)
        self._bytes += picture.pixel_bytes
        return self._held[key]


_PAINTED = _Painted()


def _painted(picture: Picture, step: int) -> int:
    """The picture without grain."""
    canvas = _Canvas(picture)
    share = step / STEPS
    for shape in picture.shapes:
        canvas.fill(shape, 1 + shape.swell * (share - 0.5))
    if picture.lesion and abs(share - 0.5) < 0.2:
        canvas.fill(LESION, 1 - 3 * abs(share - 0.5))
    return int.from_bytes(canvas.data, "little")


class _Canvas:
    def __init__(self, picture: Picture) -> None:
        self._picture, self._bytes = picture, picture.contrast.bits // 8
        pixels = picture.rows * picture.columns
        self.data = bytearray(self._lane(picture.contrast.background) * pixels)

    def fill(self, shape: Ellipse, scale: float) -> None:
        """Paint an ellipse, row by row."""
        one, rows, columns = self._picture, self._picture.rows, self._picture.columns
        lane = self._lane(one.contrast.tissues.get(shape.tissue, one.contrast.background))
        middle, half = shape.y * rows, shape.height * scale * rows
        wide = min(one.build / 10, 1.1) if shape.width < 0.5 else 1.0
        centre = (0.5 + (shape.x - 0.5) * wide) * columns if shape.x else 0.0
        for row in range(max(int(middle - half), 0), min(int(middle + half) + 1, rows)):
            across = 1 - ((row + 0.5 - middle) / half) ** 2
            if across <= 0:
                continue
            reach = shape.width * scale * wide * columns * across**0.5
            left, right = max(int(centre - reach), 0), min(int(centre + reach), columns)
            if right > left:
                start = (row * columns + left) * self._bytes
                self.data[start : start + (right - left) * self._bytes] = lane * (right - left)

    def _lane(self, value: int) -> bytes:
        """A pixel without grain, whose mean the grain brings to `value`."""
        most = (1 << self._picture.contrast.bits) - 1 - self._picture.contrast.grain
        return min(max(value - self._picture.contrast.grain // 2, 0), most).to_bytes(self._bytes, "little")
