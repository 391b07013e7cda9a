"""Cleaned pixels put in the place of the old ones (PS3.15 section E.3.1)."""

from __future__ import annotations

import struct

from diana_anon.core.pixels.model import CleanedPixels, PixelValue
from diana_anon.core.rewriting import encode
from diana_anon.core.rewriting.elements import PIXEL_DATA
from diana_anon.core.rewriting.pieces import Part
from diana_common.dicom.context import Context
from diana_common.dicom.vr import implicit_vr
from diana_common.dicom.walk import UNDEFINED

BURNED_IN_ANNOTATION = 0x00280301

_WORDS = {"US": "H", "SS": "H", "US or SS": "H", "UL": "I", "SL": "I"}


def lay(pixels: CleanedPixels, entries: dict[int, list[Part]], ctx: Context) -> None:
    """Change the elements of a data set to those of the cleaned image."""
    for tag in pixels.removed:
        entries.pop(tag, None)
    for tag, value in pixels.attributes.items():
        entries[tag] = [encode.element(tag, _in_order(tag, value, ctx), ctx)]
    if pixels.cleaned:
        entries[BURNED_IN_ANNOTATION] = [encode.element(BURNED_IN_ANNOTATION, b"NO", ctx)]
    if pixels.value is not None:
        entries[PIXEL_DATA] = _element(pixels.value, ctx)


def _element(value: PixelValue, ctx: Context) -> list[Part]:
    length = UNDEFINED if value.encapsulated else sum(map(len, value.pieces))
    padding = b"" if value.encapsulated or length % 2 == 0 else b"\0"
    if value.encapsulated:
        head = struct.pack("<HH2sHI", PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF, b"OB", 0, UNDEFINED)
    else:
        head = encode.head(PIXEL_DATA, value.vr, length + len(padding), ctx)
    return [head, *(memoryview(piece) for piece in value.pieces), padding]


def _in_order(tag: int, value: bytes, ctx: Context) -> bytes:
    """A value of little endian numbers in the byte order of the data set."""
    word = _WORDS.get(implicit_vr(tag))
    if ctx.order == "<" or word is None:
        return value
    count = len(value) // struct.calcsize(word)
    return struct.pack(f">{count}{word}", *struct.unpack(f"<{count}{word}", value))
