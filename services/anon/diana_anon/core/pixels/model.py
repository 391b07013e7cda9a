"""What is looked for in pixels, what is blanked, and what the work asks of codecs and of a reader of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """A rectangle of pixels: columns `left` to `right` and rows `top` to `bottom`, the last ones excluded."""

    left: int
    top: int
    right: int
    bottom: int

    def within(self, columns: int, rows: int) -> Region | None:
        """The part of it that lies in an image of that size; None if none does."""
        left, top = max(self.left, 0), max(self.top, 0)
        right, bottom = min(self.right, columns), min(self.bottom, rows)
        return Region(left, top, right, bottom) if left < right and top < bottom else None

    @property
    def area(self) -> int:
        """Its pixels."""
        return (self.right - self.left) * (self.bottom - self.top)

    def shared(self, other: Region) -> int:
        """The pixels of it that are of the other too."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0) * max(height, 0)

    def around(self, other: Region) -> Region:
        """The smallest that holds both."""
        return Region(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


class Why(Enum):
    """What a region is blanked for; the values are how receipts say it."""

    KNOWN_REGION = "known-region"
    """A rule for the device says that it writes there."""
    OUTSIDE_ULTRASOUND_REGIONS = "outside-ultrasound-regions"
    """Sequence of Ultrasound Regions (0018,6011) leaves it out (PS3.3 C.8.5.5)."""
    TEXT = "text"
    """Text was read there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Text seen in one frame, counted from 0. What it says is not kept.

    `confidence`, from 0 to 1, is how sure the reader is of what it read; `characters` is how many letters and digits
    that was.
    """

    frame: int
    region: Region
    confidence: float
    characters: int


@dataclass(frozen=True, slots=True)
class Mask:
    """A region blanked in every frame: why, how surely, and the name of the rule if one asked for it."""

    region: Region
    why: Why
    confidence: float = 1.0
    rule: str = ""


@dataclass(frozen=True, slots=True)
class PixelValue:
    """A new value of Pixel Data: its bytes in a row, some of them views of the source.

    Encapsulated, they run from the item of the Basic Offset Table to the Sequence Delimitation Item, inclusive, and the
    element's length is undefined. `vr` is OB or OW.
    """

    pieces: Sequence[bytes | memoryview] = field(repr=False)
    encapsulated: bool
    vr: bytes


@dataclass(frozen=True, slots=True)
class CleanedPixels:
    """What became of an image's pixels. Burned In Annotation (0028,0301) is NO from now on (PS3.15 E.3.1).

    `value` is None where nothing had to be blanked: Pixel Data stays bit for bit, and `transfer_syntax_uid` is the
    source's. `attributes` are elements to set after all else, by tag, numbers little endian; `removed` are the tags of
    those that must go. Both are empty without a value. `frames_read` of the `frames` were searched for text.
    `unused_bits_cleared`: overlays, or whatever else lay there, were taken out of unused bits of the pixels' words.
    `cleaned` is False where that is all that was looked for, and Burned In Annotation stays.
    """

    transfer_syntax_uid: str
    value: PixelValue | None = None
    attributes: Mapping[int, bytes] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    masks: tuple[Mask, ...] = ()
    frames: int = 1
    frames_read: int = 0
    unused_bits_cleared: bool = False
    cleaned: bool = True

    def statement(self) -> dict[str, object]:
        """The same for a receipt, in JSON's types."""
        return {
            "transfer_syntax_uid": self.transfer_syntax_uid,
            "frames": self.frames,
            "frames_read": self.frames_read,
            "masks": [
                {
                    "region": [mask.region.left, mask.region.top, mask.region.right, mask.region.bottom],
                    "why": mask.why.value,
                    "confidence": round(mask.confidence, 3),
                    **({"rule": mask.rule} if mask.rule else {}),
                }
                for mask in self.masks
            ],
            **({"unused_bits": "cleared"} if self.unused_bits_cleared else {}),
        }


@dataclass(frozen=True, slots=True)
class Shape:
    """How the samples of one frame lie in memory, by the attributes of the Image Pixel Module (PS3.3 C.7.6.3).

    `planes`: colours are in planes, one after the other (Planar Configuration 1). `big_endian`: samples of more than 8
    bits have their first byte first. `swapped`: samples of 8 bits are in pairs, the second first: such are the words of
    Explicit VR Big Endian (PS3.5 A.3).
    """

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    photometric: str
    planes: bool = False
    big_endian: bool = False
    swapped: bool = False

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame, uncompressed. Two pixels of YBR_FULL_422 share their colour."""
        bits = self.rows * self.columns * self.samples * self.bits_allocated
        if self.photometric == "YBR_FULL_422":
            bits = bits // 3 * 2
        return (bits + 7) // 8


@dataclass(frozen=True, slots=True)
class Window:
    """How stored values become what a person sees: rescaled, then the widest window of VOI LUT Module (PS3.3 C.11.2).

    `center` and `width` are None where the header has none; `palette` are red, green and blue lookup tables as
    (first value mapped, entries of 16 bits little endian); empty if there are none.
    """

    center: float | None = None
    width: float | None = None
    slope: float = 1.0
    intercept: float = 0.0
    palette: tuple[tuple[int, bytes], ...] = ()


class Codec(Protocol):
    """Decodes and encodes single frames. Safe from any thread.

    Raises PIXELS_UNREADABLE for what is damaged, too large or takes too long; OCR_MISSING if it is not installed.
    """

    def decode(self, frame: bytes | memoryview, transfer_syntax_uid: str, shape: Shape) -> tuple[bytes, Shape]:
        """The frame's samples, little endian, and how they lie: rows, columns and bits are those of `shape`."""
        ...

    def encode(self, samples: bytes, transfer_syntax_uid: str, shape: Shape) -> bytes:
        """The samples as one frame of a lossless transfer syntax."""
        ...


class TextReader(Protocol):
    """Reads text in images. Safe from any thread. Raises what a `Codec` does."""

    def read(self, samples: bytes | memoryview, shape: Shape, window: Window) -> list[Finding]:
        """The text in one frame, as of frame 0, in any order; also what it is unsure of."""
        ...
