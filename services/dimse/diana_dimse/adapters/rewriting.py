"""Data sets in another uncompressed encoding: headers are written anew and text stays the bytes that it was.

pydicom reads; it would write too, but decodes every value on the way, and what does not fit its VR or its character
set would be refused or changed.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from diana_common.dicom.vr import LONG_VRS, US_OR_SS, implicit_vr, private_vr

PIXEL_DATA = 0x7FE00010
_PIXEL_REPRESENTATION = 0x00280103
_UNDEFINED = 0xFFFFFFFF
_ITEM = 0xFFFEE000
_MOST_SHORT = 0xFFFF
_WORDS = {2: ("AT", "OW", "SS", "US"), 4: ("FL", "OF", "OL", "SL", "UL"), 8: ("FD", "OD", "OV", "SV", "UV")}
_WORD_BYTES = {vr: size for size, vrs in _WORDS.items() for vr in vrs}
_ARRAYS = {2: "H", 4: "I", 8: "Q"}


class NotConvertible(Exception):
    """The instance has something that the other transfer syntax cannot hold; `str` says what."""


class Rewriter:
    """Writes data sets in one encoding."""

    def __init__(self, out: BinaryIO, *, is_implicit: bool, is_big: bool, source_is_big: bool) -> None:
        self._out, self._is_implicit = out, is_implicit
        self._order, self.is_swapped = ">" if is_big else "<", is_big != source_is_big

    def write(self, data_set: Dataset, changed: Mapping[int, tuple[str, bytes]] | None = None) -> None:
        """Write a data set; `changed`: values, in the target's encoding, that are to be others. Raises NotConvertible.

        What is `changed` to an empty VR is left out.
        """
        changed = changed or {}
        elements = _elements(data_set)
        for tag in sorted({*elements, *changed}):
            if tag not in changed:
                self._out.write(self._encoded(data_set, elements[tag]))
            elif changed[tag][0]:
                self._element(tag, *changed[tag])

    def head(self, tag: int, vr: str, length: int) -> None:
        """Write what precedes a value."""
        self._out.write(self._head(tag, vr, length))

    def values(self, vr: str, pieces: Iterable[bytes]) -> None:
        """Write a long value, whose pieces end with whole words."""
        for piece in pieces:
            self._out.write(self._value(vr, piece))

    def _element(self, tag: int, vr: str, value: bytes) -> None:
        self._out.write(self._head(tag, vr, len(value)) + value)

    def _encoded(self, data_set: Dataset, element: DataElement | RawDataElement) -> bytes:
        tag = int(element.tag)
        vr = element.VR or _vr(data_set, tag)
        if vr == "SQ":
            element = data_set[tag]  # pydicom parses its items
        if isinstance(element, RawDataElement):
            value = self._value(vr, _raw(element))
        elif element.VR == "SQ":
            value = b"".join(map(self._item, element.value))
        else:
            raise NotConvertible("an element is no sequence where it should be one")
        return self._head(tag, vr, len(value)) + value

    def _item(self, data_set: Dataset) -> bytes:
        elements = _elements(data_set)
        parts = [self._encoded(data_set, elements[tag]) for tag in sorted(elements)]
        return self._tag(_ITEM) + struct.pack(self._order + "L", sum(map(len, parts))) + b"".join(parts)

    def _head(self, tag: int, vr: str, length: int) -> bytes:
        if self._is_implicit:
            return self._tag(tag) + struct.pack(self._order + "L", length)
        if vr.encode() not in LONG_VRS and length <= _MOST_SHORT:
            return self._tag(tag) + vr.encode() + struct.pack(self._order + "H", length)
        # What is too long for its VR goes as UN (PS3.5 section 6.2.2).
        name = vr.encode() if vr.encode() in LONG_VRS else b"UN"
        return self._tag(tag) + name + struct.pack(self._order + "2xL", length)

    def _tag(self, tag: int) -> bytes:
        return struct.pack(self._order + "HH", tag >> 16, tag & 0xFFFF)

    def _value(self, vr: str, value: bytes) -> bytes:
        size = _WORD_BYTES.get(vr)
        if not self.is_swapped or size is None or len(value) % size:
            return value
        words = array(_ARRAYS[size], value)
        words.byteswap()
        return words.tobytes()


def _elements(data_set: Dataset) -> dict[int, DataElement | RawDataElement]:
    """Elements by tag, as they were read, for pydicom decodes some when it parses a sequence. No group lengths."""
    found = {int(tag): data_set.get_item(tag, keep_deferred=True) for tag in data_set.keys()}  # noqa: SIM118 (iterating decodes)
    return {tag: one for tag, one in found.items() if one is not None and tag & 0xFFFF}


def _raw(element: RawDataElement) -> bytes:
    if element.length == _UNDEFINED:
        raise NotConvertible("it has encapsulated data beside its pixels")
    return element.value or b""


def _vr(data_set: Dataset, tag: int) -> str:
    """The VR of an element whose encoding does not carry it."""
    vr = implicit_vr(tag)
    if vr == US_OR_SS:
        return "SS" if _is_signed(data_set) else "US"
    if vr == "UN" and tag & 0x10000:
        block = (tag >> 16, tag >> 8 & 0xFF)
        creator = data_set.get_item(block, keep_deferred=True) if tag & 0xFF00 else None
        name = _raw(creator).decode("latin_1").strip("\0 ") if isinstance(creator, RawDataElement) else ""
        vr = private_vr(tag, name).split(" or ")[0]
    return vr


def _is_signed(data_set: Dataset) -> bool:
    """Pixel Representation of this data set, or of the one that it is an item in."""
    at: Dataset | None = data_set
    while at is not None:
        if (element := at.get_item(_PIXEL_REPRESENTATION, keep_deferred=True)) is not None:
            return any(element.value or b"") if isinstance(element, RawDataElement) else bool(element.value)
        parent = at.parent_seq
        at = parent.parent_dataset if parent is not None else None
    return False
