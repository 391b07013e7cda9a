"""A new file read again, by none of the code that wrote it: its values that can hold words, wherever they lie."""

from __future__ import annotations

import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from diana_common.dicom.charset import Repertoire, repertoire
from diana_common.dicom.context import Context, context
from diana_common.dicom.vr import EXPLICIT_VRS, LONG_VRS, implicit_vr
from diana_common.errors import DianaError, Reason

Step = tuple[int, int]
"""A tag, and which item of it."""

_BINARY = frozenset(b"AT FD FL OB OD OF OL OV OW SL SS SV UL UN US UV".split())
_PADDING = b" \\\0"
_ALPHABETS: dict[bytes, bytes] = {
    b"AS": b"0123456789DWMY" + _PADDING,
    b"DA": b"0123456789.-" + _PADDING,
    b"DS": b"0123456789+-.eE" + _PADDING,
    b"DT": b"0123456789+-." + _PADDING,
    b"IS": b"0123456789+-" + _PADDING,
    b"TM": b"0123456789:.-" + _PADDING,
    b"UI": b"0123456789." + _PADDING,
}
"""What the values of a VR are written with. One of other characters is text, whatever its VR says."""
_SILENT = frozenset({b"AS", b"TM"})
"""Passed over, if written so."""
_FEWEST = 4
"""Bytes that hold a word."""
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA, _CHARSET, _TRANSFER_SYNTAX = 0x7FE00010, 0x00080005, 0x00020010
_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS = (0x280002, 0x280004, 0x280008, 0x280010, 0x280011, 0x280100)
_NOTED = frozenset({_CHARSET, _SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS})
"""What says how others are to be read."""
_SIZES = frozenset({_SAMPLES, _ROWS, _COLUMNS, _BITS})
_SEGMENT = re.compile(rb"\xff[\xe0-\xef\xfe]")
_META = 132
_WINDOW = 8 * 1024
"""Bytes that are read at a time: most headers, and not much of the pixels."""
_SHORT, _REMEMBERED = 384, 4096
"""Bytes of a value that is remembered, and how many of them."""
_LONGEST = 16 * 1024 * 1024
"""Bytes of a value that are looked at."""
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


_new = tuple.__new__
"""Makes a Value faster than its own call does; there are a hundred in an object."""


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

    Of Pixel Data, what are no pixels: what follows the last frame, the offset table, what writers put into a compressed
    image. Raises DianaError NOT_DEIDENTIFIABLE if the file cannot be read.
    """
    try:
        return _File(_Pieces(pieces)).values
    except (struct.error, zlib.error, ValueError, RecursionError):
        raise DianaError(Reason.NOT_DEIDENTIFIABLE, "the new object cannot be read again") from None


class _Values:
    """The values of elements, as they are read one after another."""

    def __init__(self, text: Repertoire, ctx: Context) -> None:
        self.values: list[Value] = []
        self._text = text
        self._ctx = ctx

    def value(self, raw: bytes, tag: int, vr: bytes, parents: tuple[Step, ...]) -> None:
        """Note what an element of defined length holds."""
        if vr == b"UN" and not tag & 0x10000:
            vr = implicit_vr(tag)[:2].encode()
        if vr == b"SQ":
            self._items(raw, 0, len(raw), False, self._ctx, (parents, tag))
        else:
            if tag == _CHARSET:
                self._text = repertoire(raw)
            self._add(parents, tag, vr, raw[:_LONGEST])

    def head(self, data: bytes, pos: int, ctx: Context) -> tuple[int, bytes, int, int]:
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

    def _add(self, parents: tuple[Step, ...], tag: int, vr: bytes, raw: bytes) -> None:
        """Note a value as what the dictionary, or else its element, says it is, unless its bytes are no such thing."""
        vr, alphabet = _form(tag, vr)
        if alphabet is None:
            if vr == b"OB" and len(raw) < _FEWEST:
                return
        elif raw.translate(None, alphabet):
            vr = b"LO"
        elif vr in _SILENT:
            return
        self.values.append(_new(Value, (parents, tag, vr, raw, self._text)))

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
            around = self._text
            pos = self._item(data, pos, stop, length == _UNDEFINED, ctx, (*parents, (tag, number)))
            self._text = around
            number += 1
        return pos

    def _item(self, data: bytes, pos: int, end: int, delimited: bool, ctx: Context, parents: tuple[Step, ...]) -> int:
        while delimited or pos < end:
            tag, vr, start, length = self.head(data, pos, ctx)
            if tag == _ITEM_END:
                return start
            if length == _UNDEFINED or vr == b"SQ":
                stop = end if length == _UNDEFINED else start + length
                inner = self._inside(data, start, vr)
                pos = self._items(data, start, stop, length == _UNDEFINED, inner, (parents, tag))
            else:
                self.value(data[start : start + length], tag, vr, parents)
                pos = start + length
        return pos

    def _inside(self, data: bytes, start: int, vr: bytes) -> Context:
        """How the items of a sequence are encoded: within UN in Implicit VR (PS3.5 6.2.2), unless VRs are there."""
        hidden = vr == b"UN" and not self._ctx.implicit and data[start + 12 : start + 14] not in EXPLICIT_VRS
        return context(b"", True, "<") if hidden else self._ctx


class _File(_Values):
    """Those of a whole file."""

    def __init__(self, source: _Pieces) -> None:
        super().__init__(repertoire(b""), context(b"", False, "<"))
        self._source = source
        self._syntax = ""
        self._sizes: dict[int, int] = {_SAMPLES: 1, _FRAMES: 1}
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
            tag, vr, start, length = self.head(head, pos, self._ctx)
            if tag == _TRANSFER_SYNTAX:
                self._syntax = head[start : start + length].decode("ascii").rstrip("\0 ")
            else:
                self._add((), tag, vr, head[start : start + length])
            pos = start + length
        return pos

    def _top(self, pos: int) -> None:
        """The elements of the data set, a window of the file at a time."""
        source, ctx = self._source, self._ctx
        window, base = source.read(pos, _WINDOW), pos
        while pos < source.size:
            if pos + 12 > base + len(window) and base + len(window) < source.size:
                window, base = source.read(pos, _WINDOW), pos
            tag, vr, start, length = self.head(window, pos - base, ctx)
            start += base
            if length == _UNDEFINED and tag == _PIXEL_DATA:
                pos = self._fragments(start)
            elif length == _UNDEFINED:
                rest = source.read(start, source.size)
                pos = start + self._items(rest, 0, len(rest), True, self._inside(rest, 0, vr), ((), tag))
            else:
                end = start + length - base
                if tag == _PIXEL_DATA:
                    self._behind_frames(start, length)
                elif length <= _SHORT and end <= len(window) and tag not in _NOTED:
                    self.values += _values_of(window[pos - base : end], self._text, ctx)
                else:
                    looked_at = min(length, _LONGEST) if vr in _BINARY and vr != b"UN" else length
                    raw = window[start - base : end] if end <= len(window) else source.read(start, looked_at)
                    self._size(tag, raw)
                    self.value(raw, tag, vr, ())
                pos = start + length
        if pos != source.size:
            raise ValueError

    def _size(self, tag: int, raw: bytes) -> None:
        """Note what says how long Pixel Data is."""
        if tag in _SIZES and len(raw) == 2:
            (self._sizes[tag],) = struct.unpack(self._ctx.order + "H", raw)
        elif tag == _FRAMES and (digits := raw.strip(b" \0")).isdigit():
            self._sizes[tag] = int(digits[:12])
        elif tag == _PHOTOMETRIC and raw.startswith(b"YBR_FULL_422"):
            self._sizes[_PHOTOMETRIC] = 2  # samples per pixel, whatever Samples per Pixel says

    def _behind_frames(self, start: int, length: int) -> None:
        """What follows the last frame of native Pixel Data; all of it if nobody can say how long a frame is."""
        sizes = self._sizes
        pixels = sizes[_FRAMES] * sizes.get(_ROWS, 0) * sizes.get(_COLUMNS, 0)
        end = (pixels * sizes.get(_PHOTOMETRIC, sizes[_SAMPLES]) * sizes.get(_BITS, 0) + 7) // 8
        self._add((), _PIXEL_DATA, b"OB", self._source.read(start + end, min(max(length - end, 0), _LONGEST)))

    def _fragments(self, pos: int) -> int:
        """What the fragments of Pixel Data from `pos` on hold beside pixels; where it ends."""
        first = True
        while True:
            group, element, length = self._ctx.item(self._source.read(pos, 8), 0)
            if group << 16 | element == _SEQUENCE_END:
                return pos + 8
            if group << 16 | element != _ITEM:
                raise ValueError
            fragment = self._source.read(pos + 8, min(length, _LONGEST))
            for part in [fragment] if first else segments(fragment):
                self._add((), _PIXEL_DATA, b"OB", part)
            pos, first = pos + 8 + length, False


@lru_cache(maxsize=_REMEMBERED)
def _values_of(element: bytes, text: Repertoire, ctx: Context) -> tuple[Value, ...]:
    """The values of a short element at the top, most of which the instances of a study share."""
    found = _Values(text, ctx)
    tag, vr, start, _ = found.head(element, 0, ctx)
    found.value(element[start:], tag, vr, ())
    return tuple(found.values)


@lru_cache(maxsize=8192)
def _form(tag: int, vr: bytes) -> tuple[bytes, bytes | None]:
    """The VR of a value, which the dictionary says, or else its element, OB for all that are binary; and what its
    values are written with."""
    if not tag & 0x10000 and vr != b"UN":
        known = implicit_vr(tag)[:2].encode()
        vr = {b"UN": vr, b"SQ": b"LO"}.get(known, known)
    return b"OB" if vr in _BINARY else vr, _ALPHABETS.get(vr)


def segments(fragment: bytes) -> Iterator[bytes]:
    """What writers put into a compressed image beside its pixels: comments and application data of JPEG, wherever they
    stand, comments of JPEG 2000, and what follows the image. All of a fragment that is the start of neither."""
    if fragment[:2] not in (b"\xff\xd8", b"\xff\x4f"):
        yield fragment
        return
    pos = 2
    while fragment[pos : pos + 1] == b"\xff" and pos + 4 <= len(fragment):
        marker, length = fragment[pos + 1], int.from_bytes(fragment[pos + 2 : pos + 4], "big")
        if marker in (0xD9, 0x90, 0x93):
            break
        if marker == 0xFE or 0xE0 <= marker <= 0xEF or (marker == 0x64 and fragment[1] == 0x4F):
            yield fragment[pos + 4 : pos + 2 + length]
        pos += 2 + max(length, 2)
        if marker == 0xDA:
            yield from _between_scans(fragment, pos)
            break
    end = fragment.rfind(b"\xff\xd9")
    yield fragment[end + 2 :] if end >= 0 else b""


def _between_scans(fragment: bytes, pos: int) -> Iterator[bytes]:
    """The segments after the first scan: coded pixels have none of their markers."""
    while (found := _SEGMENT.search(fragment, pos)) is not None:
        length = int.from_bytes(fragment[found.end() : found.end() + 2], "big")
        yield fragment[found.end() + 2 : found.end() + length]
        pos = found.end() + max(length, 2)
