"""The new value of Pixel Data: every frame blanked, in the source's transfer syntax where that is lossless."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from diana_anon.core.pixels.blank import Stretch, blanked, stretches
from diana_anon.core.pixels.faults import unreadable
from diana_anon.core.pixels.frames import EXTENDED_LENGTHS, EXTENDED_OFFSETS, encapsulated, item
from diana_anon.core.pixels.image import Image
from diana_anon.core.pixels.locate import Located
from diana_anon.core.pixels.model import CleanedPixels, Codec, PixelValue, Region, Shape
from diana_anon.core.pixels.source import RLE, Frames
from diana_common.errors import DianaError, Reason

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
ENCODED = frozenset({RLE, JPEG_LS, JPEG_2000})
"""Lossless transfer syntaxes that are encoded again. Images of others, and what no encoder takes, are stored
uncompressed."""
_LOSSY = frozenset("1.2.840.10008.1.2.4." + end for end in ("50", "51", "81"))
"""Transfer syntaxes whose images have lost something for sure; of others the header says it."""

_PHOTOMETRIC, _PLANAR, _LOSSY_COMPRESSION = 0x00280004, 0x00280006, 0x00282110
_DERIVATION_DESCRIPTION = 0x00082111
_DERIVATION = b"Regions of the pixel data were blanked to de-identify the image"
_OFFSETS = frozenset({EXTENDED_OFFSETS, EXTENDED_LENGTHS})
_LONGEST = 0xFFFFFFFE


class Room(Protocol):
    """See core.ports.Spool."""

    def collect(self, pieces: Iterable[bytes]) -> bytes | mmap.mmap:
        """The pieces in one."""
        ...


def rewritten(
    done: CleanedPixels, located: Located, image: Image, frames: Frames, codec: Codec, room: Room
) -> CleanedPixels:
    """`done` with its value: frames with their blanks, compressed ones encoded anew.

    What follows the last native frame goes: it belongs to no image. Raises what the codec and the room do.
    """
    regions = [mask.region for mask in done.masks]
    made = _Blanked(frames, regions)
    if not located.encapsulated:
        whole = memoryview(room.collect(made))
        value = PixelValue(_even([whole, frames.padding]), False, _native_vr(located, image.shape))
        told = {_DERIVATION_DESCRIPTION: _DERIVATION} if regions else {}
        return replace(done, value=value, attributes=told)
    syntax, value = _encoded(made, located.transfer_syntax_uid, codec, room)
    attributes = _attributes(made.shape, located.transfer_syntax_uid)
    return replace(done, transfer_syntax_uid=syntax, value=value, attributes=attributes, removed=_OFFSETS)


def _encoded(frames: _Blanked, syntax: str, codec: Codec, room: Room) -> tuple[str, PixelValue]:
    if syntax in ENCODED:
        try:
            return syntax, _compressed(frames, syntax, codec, room)
        except _NotEncoded:
            pass
    return EXPLICIT_LITTLE, _uncompressed(frames, room)


class _NotEncoded(Exception):
    """No encoder takes a frame."""


class _Blanked:
    """The frames of an image, decoded if they must be, and blanked one by one. `shape` is known after the first."""

    def __init__(self, frames: Frames, regions: Sequence[Region]) -> None:
        self._frames = frames
        self._regions = regions
        self._marks: list[Stretch] = []
        self._shape: Shape | None = None

    @property
    def shape(self) -> Shape:
        """How the decoded frames lie."""
        if self._shape is None:
            raise unreadable("there are no frames")
        return self._shape

    def __iter__(self) -> Iterator[bytes]:
        for index in range(len(self._frames)):
            samples, shape = self._frames.samples(index)
            if self._shape is None:
                self._shape, self._marks = shape, stretches(shape, self._regions)
            elif shape != self._shape:
                raise unreadable("its frames are not alike")
            yield b"".join(blanked(memoryview(samples), self._marks))


def _compressed(frames: _Blanked, syntax: str, codec: Codec, room: Room) -> PixelValue:
    offsets: list[int] = []
    end = 0

    def items() -> Iterator[bytes]:
        nonlocal end
        for samples in frames:
            made = item(_encode(codec, samples, syntax, frames.shape))
            offsets.append(end)
            end += len(made)
            yield made

    value = memoryview(room.collect(items()))
    return PixelValue(encapsulated(offsets, value), True, b"OB")


def _encode(codec: Codec, samples: bytes, syntax: str, shape: Shape) -> bytes:
    try:
        return codec.encode(samples, syntax, shape)
    except DianaError as error:
        if error.reason is Reason.PIXELS_UNREADABLE:
            raise _NotEncoded from None
        raise


def _uncompressed(frames: _Blanked, room: Room) -> PixelValue:
    value = memoryview(room.collect(frames))
    if len(value) > _LONGEST:
        raise unreadable("uncompressed, they are too long for one element")
    return PixelValue(_even([value]), False, b"OW" if frames.shape.bits_allocated > 8 else b"OB")


def _attributes(shape: Shape, source_syntax: str) -> dict[int, bytes]:
    """What has to be said of the new value. Once lossy stays lossy (PS3.3 C.7.6.1.1.5)."""
    found = {_DERIVATION_DESCRIPTION: _DERIVATION, _PHOTOMETRIC: shape.photometric.encode()}
    if shape.samples > 1:
        found[_PLANAR] = struct.pack("<H", shape.planes)
    if source_syntax in _LOSSY:
        found[_LOSSY_COMPRESSION] = b"01"
    return found


def _native_vr(located: Located, shape: Shape) -> bytes:
    if located.pixels.vr in (b"OB", b"OW"):
        return located.pixels.vr
    return b"OW" if shape.bits_allocated > 8 or located.context.implicit else b"OB"


def _even(pieces: list[bytes | memoryview]) -> list[bytes | memoryview]:
    return [*pieces, b"\0"] if sum(map(len, pieces)) % 2 else pieces
