"""Bits of the words of native Pixel Data that hold no pixel, where old objects keep overlays.

Until 2004 an overlay could lie in bits outside Bits Stored, its group 60xx naming the bit and having no Overlay Data
(PS3.5 section 8.1.2 and PS3.3 C.9.2, both retired). Table E.1-1 removes Overlay Data, wherever it lies. What such bits
have to be afterwards is what no overlay needs: zero, or the sign in the bits above a signed value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from diana_anon.core.pixels.image import number
from diana_anon.core.pixels.model import Shape
from diana_common.conditions import Header

_OVERLAY_GROUPS = tuple(f"60{number:02X}" for number in range(0, 0x100, 2))
_PART = 1024 * 1024
"""Bytes that are worked on at once: whole words."""


def holds_overlays(header: Header) -> bool:
    """Whether a header says that an overlay lies in the pixels' words: Overlay Bit Position (60xx,0102) over 0, no
    Overlay Data (60xx,3000)."""
    return any(
        f"{group}3000" not in header and (number(header, f"{group}0102") or 0) > 0
        for group in _OVERLAY_GROUPS
        if f"{group}0102" in header
    )


@dataclass(frozen=True, slots=True)
class Unused:
    """Which bits of the words of a shape are unused; `high_bit` is that of the values' highest."""

    shape: Shape
    high_bit: int

    @classmethod
    def of(cls, header: Header, shape: Shape) -> Unused | None:
        """None if there are none, or High Bit (0028,0102) does not fit the others."""
        high = number(header, "00280102")
        high = shape.bits_stored - 1 if high is None else high
        if shape.bits_stored == shape.bits_allocated or not shape.bits_stored - 1 <= high < shape.bits_allocated:
            return None
        return cls(shape, high)

    def cleared(self, samples: bytes | memoryview) -> bytes:
        """The samples, native, without what lies in unused bits; what is no whole word stays."""
        view, end = memoryview(samples), len(samples) - len(samples) % (self.shape.bits_allocated // 8)
        parts = (self._words(view[start : min(start + _PART, end)]) for start in range(0, end, _PART))
        return b"".join([*parts, view[end:]])

    def _words(self, part: memoryview) -> bytes:
        """Words as one large number, in which none carries over."""
        bits, size = self.shape.bits_allocated, len(part)
        order: Literal["big", "little"] = "big" if self.shape.big_endian else "little"
        ones = _ones(bits, size)
        value = int.from_bytes(bytes(part), order)
        new = value & ones * (((1 << self.shape.bits_stored) - 1) << (self.high_bit + 1 - self.shape.bits_stored))
        if self.shape.signed and self.high_bit + 1 < bits:
            new |= (value >> self.high_bit & ones) * ((1 << bits) - (1 << self.high_bit + 1))
        return new.to_bytes(size, order)


@lru_cache(maxsize=8)
def _ones(bits: int, size: int) -> int:
    """A one in each word of so many bits, in so many bytes."""
    return int.from_bytes((1).to_bytes(bits // 8, "little") * (size * 8 // bits), "little")
