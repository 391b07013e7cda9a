"""A new file read again, by none of the code that wrote it: its values that can hold words, wherever they lie."""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from diana_common.dicom.charset import Repertoire, repertoire
from diana_common.dicom.context import Context, context
from diana_common.dicom.vr import EXPLICIT_VRS, LONG_VRS, implicit_vr
from diana_common.errors import DianaError, Reason

Step = tuple[int, int]
"""A tag, and which item of it."""

_SILENT = frozenset(b"AS AT FD FL OD OF OL OV OW SL SS SV TM UL US UV".split())
"""VRs whose values are passed over: numbers, times of day, ages."""
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA, _CHARSET, _TRANSFER_SYNTAX = 0x7FE00010, 0x00080005, 0x00020010
_META = 132
_WINDOW = 64 * 1024
_LONGEST = 16 * 1024 * 1024
"""Bytes of a value that are looked at."""
_FRAGMENT_HEAD = 4096
_INFLATED = 256 * 1024 * 1024
_DEEPEST = 200
_DEFLATED, _BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"


class Value(NamedTuple):
    """One value that may hold words."""

    parents: tuple[Step, ...]
    tag: int
    vr: bytes
    raw: bytes
    text: Repertoire

    @property
    def path(self) -> str:
        """Its place as reports write it: (0040,0275)[0].(0040,0009)."""
        outer = "".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})[{item}]." for tag, item in self.parents)
        return f"{outer}({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"


class _Pieces:
    """Bytes in pieces, read as one."""

    def __init__(self, pieces: Sequence[bytes | memoryview]) -> None:
        self._pieces = pieces
        self._ends = list(accumulate(len(piece) for piece in pieces))
        self.size = self._ends[-1] if self._ends else 0

    def read(self, start: int, count: int) -> bytes:
        """At most `count` bytes from `start` on."""
        found = []
        index = bisect_right(self._ends, start)
        end = min(start + count, self.size)
        while start < end:
            piece = self._pieces[index]
            first = self._ends[index] - len(piece)
            found.append(bytes(piece[start - first : end - first]))
            start, index = self._ends[index], index + 1
        return found[0] if len(found) == 1 else b"".join(found)


def values_in(pieces: Sequence[bytes | memoryview]) -> list[Value]:
    """The values of a Part 10 file, File Meta Information and preamble included (as File Preamble, tag 0).

    Of encapsulated pixels, each fragment's head. Raises DianaError NOT_DEIDENTIFIABLE if the file cannot be read.
    """
    try:
        return _File(_Pieces(pieces)).values
    except (struct.error, zlib.error, ValueError, RecursionError):
        raise DianaError(Reason.NOT_DEIDENTIFIABLE, "the new object cannot be read again") from None


class _File:
    def __init__(self, source: _Pieces) -> None:
        self.values: list[Value] = []
        self._source = source
        self._text = repertoire(b"")
        self._ctx = context(b"", False, "<")
        self._syntax = ""
        start = self._meta()
        if self._syntax == _DEFLATED:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            data = inflater.decompress(source.read(start, source.size), _INFLATED)
            if not inflater.eof:
                raise ValueError
            self._source, start = _Pieces([data]), 0
        # Some writers leave VRs out whatever their transfer syntax says.
        implicit = self._source.read(start + 4, 2) not in EXPLICIT_VRS
        self._ctx = context(b"", implicit, ">" if self._syntax == _BIG_ENDIAN else "<")
        self._top(start)

    def _meta(self) -> int:
        """File Meta Information; where the data set starts."""
        head = self._source.read(0, _WINDOW)
        if head[128:132] != b"DICM":
            raise ValueError
        if any(head[:128]):
            self.values.append(Value((), 0, b"OB", head[:128], self._text))
        pos = _META
        while pos + 8 <= len(head) and head[pos : pos + 2] == b"\2\0":
            tag, vr, start, length = self._head(head, pos, self._ctx)
            if tag == _TRANSFER_SYNTAX:
                self._syntax = head[start : start + length].decode("ascii").rstrip("\0 ")
            elif vr not in _SILENT:
                self.values.append(Value((), tag, vr, head[start : start + length], self._text))
            pos = start + length
        return pos

    def _top(self, pos: int) -> None:
        """The elements of the data set, a window of the file at a time."""
        source, ctx = self._source, self._ctx
        window, base = source.read(pos, _WINDOW), pos
        while pos < source.size:
            if pos + 12 > base + len(window) and base + len(window) < source.size:
                window, base = source.read(pos, _WINDOW), pos
            tag, vr, start, length = self._head(window, pos - base, ctx)
            start += base
            if length == _UNDEFINED and tag == _PIXEL_DATA:
                pos = self._fragments(start)
            elif length == _UNDEFINED:
                rest = source.read(start, source.size)
                pos = start + self._items(rest, 0, len(rest), True, self._inside(rest, 0, vr), ((), tag))
            else:
                if vr not in _SILENT and tag != _PIXEL_DATA:
                    offset = start - base
                    inside = offset + length <= len(window)
                    raw = window[offset : offset + length] if inside else source.read(start, length)
                    self._value(raw, tag, vr, ())
                pos = start + length
        if pos != source.size:
            raise ValueError

    def _head(self, data: bytes, pos: int, ctx: Context) -> tuple[int, bytes, int, int]:
        """Tag, VR, start of the value and its length."""
        if ctx.implicit:
            group, number, length = ctx.head(data, pos)
            tag = group << 16 | number
            return tag, implicit_vr(tag)[:2].encode(), pos + 8, length
        group, number, vr, length = ctx.head(data, pos)
        if vr in LONG_VRS:
            return group << 16 | number, vr, pos + 12, ctx.length(data, pos + 8)[0]
        if group == 0xFFFE:
            return group << 16 | number, b"", pos + 8, ctx.length(data, pos + 4)[0]
        return group << 16 | number, vr, pos + 8, length

    def _value(self, raw: bytes, tag: int, vr: bytes, parents: tuple[Step, ...]) -> None:
        if vr == b"UN" and not tag & 0x10000:
            vr = implicit_vr(tag)[:2].encode()
        if vr == b"SQ":
            self._items(raw, 0, len(raw), False, self._ctx, (parents, tag))
        else:
            if tag == _CHARSET and not parents:
                self._text = repertoire(raw)
            self.values.append(Value(parents, tag, vr, raw[:_LONGEST], self._text))

    def _items(
        self, data: bytes, pos: int, end: int, delimited: bool, ctx: Context, at: tuple[tuple[Step, ...], int]
    ) -> int:
        """The items of a sequence from `pos` on; where it ends."""
        number = 0
        parents, tag = at
        while delimited or pos < end:
            group, element, length = ctx.item(data, pos)
            found = group << 16 | element
            pos += 8
            if found == _SEQUENCE_END:
                return pos
            if found != _ITEM or len(parents) > _DEEPEST:
                raise ValueError
            stop = end if length == _UNDEFINED else pos + length
            pos = self._item(data, pos, stop, length == _UNDEFINED, ctx, (*parents, (tag, number)))
            number += 1
        return pos

    def _item(self, data: bytes, pos: int, end: int, delimited: bool, ctx: Context, parents: tuple[Step, ...]) -> int:
        while delimited or pos < end:
            tag, vr, start, length = self._head(data, pos, ctx)
            if tag == _ITEM_END:
                return start
            if length == _UNDEFINED or vr == b"SQ":
                stop = end if length == _UNDEFINED else start + length
                inner = self._inside(data, start, vr)
                pos = self._items(data, start, stop, length == _UNDEFINED, inner, (parents, tag))
            else:
                if vr not in _SILENT:
                    self._value(data[start : start + length], tag, vr, parents)
                pos = start + length
        return pos

    def _inside(self, data: bytes, start: int, vr: bytes) -> Context:
        """How the items of a sequence are encoded: within UN in Implicit VR (PS3.5 6.2.2), unless VRs are there."""
        hidden = vr == b"UN" and not self._ctx.implicit and data[start + 12 : start + 14] not in EXPLICIT_VRS
        return context(b"", True, "<") if hidden else self._ctx

    def _fragments(self, pos: int) -> int:
        """The heads of the fragments of Pixel Data from `pos` on; where it ends."""
        while True:
            head = self._source.read(pos, _FRAGMENT_HEAD)
            group, element, length = self._ctx.item(head, 0)
            if group << 16 | element == _SEQUENCE_END:
                return pos + 8
            if group << 16 | element != _ITEM:
                raise ValueError
            for segment in segments(head[8 : 8 + length]):
                self.values.append(Value((), _PIXEL_DATA, b"OB", segment, self._text))
            pos += 8 + length


def segments(head: bytes) -> Iterator[bytes]:
    """What writers put into a compressed image beside its pixels: comments and application data of JPEG, comments of
    JPEG 2000. `head` is where the image starts."""
    if head[:2] not in (b"\xff\xd8", b"\xff\x4f"):
        return
    pos = 2
    while head[pos : pos + 1] == b"\xff" and pos + 4 <= len(head):
        marker, length = head[pos + 1], int.from_bytes(head[pos + 2 : pos + 4], "big")
        if marker in (0xDA, 0xD9, 0x90, 0x93):
            return
        if marker == 0xFE or 0xE0 <= marker <= 0xEF or (marker == 0x64 and head[1] == 0x4F):
            yield head[pos + 4 : pos + 2 + length]
        pos += 2 + max(length, 2)
