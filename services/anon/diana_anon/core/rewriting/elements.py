"""A data set's elements as places in its bytes: nothing is decoded or copied.

Values of defined length are passed over, sequences of undefined length are walked to find their end. What the
bytes mean must be beyond doubt, since what is kept is kept unread: a VR that is none, or items that do not fill
their sequence, are `Odd`, where a reader that only shows a header may guess.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from diana_common.dicom.context import Context, context
from diana_common.dicom.limits import Limits, Odd, Short, over_limit
from diana_common.dicom.vr import EXPLICIT_VRS, LONG_VRS
from diana_common.dicom.walk import FRAGMENT, ITEM, SEQUENCE_END, UNDEFINED

PIXEL_DATA = 0x7FE00010

Items = list[list["Element"]]
"""The items of a sequence, each its elements as they come."""


class Element(NamedTuple):
    """Where one element lies: `pos` its first byte, `start` to `end` its value, `after` what follows it.

    `vr` is empty in Implicit VR. `inner` is the encoding of the items, should it be a sequence; `items` are
    there already if its length is undefined and it is one.
    """

    tag: int
    vr: bytes
    pos: int
    start: int
    end: int
    after: int
    inner: Context
    items: Items | None = None


_new = tuple.__new__
"""Makes an Element faster than its own call does; there are a hundred in an object."""


def find(elements: Sequence[Element], tag: int) -> Element | None:
    """The element of a tag among ascending ones."""
    index = bisect_left(elements, tag, key=_TAG)
    return elements[index] if index < len(elements) and elements[index].tag == tag else None


_TAG = itemgetter(0)


class Reader:
    """Finds elements in one buffer, counting them against the limits.

    Short says that an element ends past the buffer, Odd that the encoding cannot be relied on.
    """

    def __init__(self, buffer: bytes, limits: Limits) -> None:
        self.buffer = buffer
        self._limits = limits
        self._count = 0

    def elements(self, pos: int, end: int, ctx: Context, depth: int = 0) -> tuple[list[Element], int]:
        """The elements from `pos` on, and where they end: at `end`, a delimiter, or padding of tag (0000,0000)."""
        found: list[Element] = []
        buffer, head, implicit = self.buffer, ctx.head, ctx.implicit
        vr = b""
        try:
            while pos < end:
                if implicit:
                    group, number, length = head(buffer, pos)
                else:
                    group, number, vr, length = head(buffer, pos)
                if group == 0xFFFE or not (group or number):
                    break
                start = pos + 8
                if vr in LONG_VRS:
                    (length,) = ctx.length(buffer, start)
                    start += 4
                elif not implicit and vr not in EXPLICIT_VRS:
                    raise Odd
                if length == UNDEFINED:
                    element = self._undefined(group << 16 | number, vr, (pos, start), ctx, depth)
                else:
                    after = start + length
                    element = _new(Element, (group << 16 | number, vr, pos, start, after, after, ctx, None))
                found.append(element)
                pos = element.after
        except struct.error:
            if depth or any(buffer[pos:end]):
                raise Short from None
            pos = end  # zero bytes, too few for an element, are padding
        self.counted(len(found))
        if pos > end:
            raise Short if pos > len(buffer) else Odd
        return found, pos

    def items(self, element: Element, depth: int) -> tuple[Items, Context]:
        """The items of a sequence and how they are encoded; Odd if it is no sequence."""
        if element.items is not None:
            return element.items, element.inner
        inner = self._hidden(element.start, element.inner) if element.vr == b"UN" else element.inner
        try:
            found, _ = self._items(element.start, element.end, False, inner, depth)
        except Short:
            raise Odd from None
        return found, inner

    def counted(self, more: int) -> None:
        """Count elements or items; too many are DATA_SET_LIMIT."""
        self._count += more
        if self._count > self._limits.max_elements:
            raise over_limit("elements")

    def _undefined(self, tag: int, vr: bytes, where: tuple[int, int], ctx: Context, depth: int) -> Element:
        pos, start = where
        if vr not in (b"", b"SQ", b"UN") or tag == PIXEL_DATA:
            after = self._after_fragments(start)
            return Element(tag, vr, pos, start, after - 8, after, ctx)
        inner = self._hidden(start, ctx) if vr == b"UN" else ctx
        found, after = self._items(start, len(self.buffer), True, inner, depth)
        return Element(tag, vr, pos, start, after - 8, after, inner, found)

    def _hidden(self, start: int, ctx: Context) -> Context:
        """UN hides Implicit VR Little Endian (PS3.5 6.2.2), but some writers keep VRs inside it."""
        explicit = not ctx.implicit and self.buffer[start + 12 : start + 14] in EXPLICIT_VRS
        return ctx if explicit else context(b"", True, "<")

    def _items(self, pos: int, end: int, delimited: bool, ctx: Context, depth: int) -> tuple[Items, int]:
        if depth >= self._limits.max_depth:
            raise over_limit("nesting")
        items: Items = []
        while delimited or pos < end:
            try:
                group, number, length = ctx.item(self.buffer, pos)
            except struct.error:
                raise Short from None
            tag = group << 16 | number
            if tag == SEQUENCE_END and delimited:
                pos += 8
                break
            if tag != ITEM:
                raise Odd
            self.counted(1)
            item, pos = self._item(pos + 8, length, end, ctx, depth + 1)
            items.append(item)
        if pos > end:
            raise Odd
        return items, pos

    def _item(self, pos: int, length: int, end: int, ctx: Context, depth: int) -> tuple[list[Element], int]:
        if length != UNDEFINED:
            stop = pos + length
            if stop > end:
                raise Short if end == len(self.buffer) else Odd
            elements, ended = self.elements(pos, stop, ctx, depth)
            if ended != stop:
                raise Odd
            return elements, stop
        elements, ended = self.elements(pos, end, ctx, depth)
        if ended + 8 > len(self.buffer):
            raise Short
        if ctx.item(self.buffer, ended)[:2] != (0xFFFE, 0xE00D):
            raise Odd
        return elements, ended + 8

    def _after_fragments(self, pos: int) -> int:
        """Where the delimiter ends that follows the pixel fragments from `pos` on (PS3.5 A.4), little endian."""
        end = len(self.buffer)
        while pos + 8 <= end:
            tag, length = FRAGMENT(self.buffer, pos)
            pos += 8
            if tag == 0xE0DDFFFE:
                return pos
            if tag != 0xE000FFFE or length == UNDEFINED:
                raise Odd
            self.counted(1)
            pos += length
        raise Short
