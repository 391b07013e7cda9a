"""The walk that picks chosen elements and steps over all others: no value is looked at that nobody asked for.

Files of one series repeat most of their bytes. The last file's bytes, from one wanted element to the next, are
kept with the text of the first; where the next file has the same bytes, they are stepped over at once. What is
kept depends on nothing but those bytes and the context, so that it never changes an answer.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from diana_common.dicom.context import Context, context
from diana_common.dicom.limits import Limits, Odd, Short, over_limit
from diana_common.dicom.text import Texter, text_of, texter_of
from diana_common.dicom.vr import EXPLICIT_VRS, LONG_VRS, US_OR_SS, implicit_vr, private_vr
from diana_common.dicom.walk import CHARACTER_SET, ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, end_of_fragments

PIXEL_REPRESENTATION = 0x00280103
UNWANTED = -1
"""The column of elements that nobody asked for: a row's last cell, which is thrown away."""

Row = list[str | None]
Head = tuple[int, bytes, int, int]
"""An element's tag, its VR (empty if its encoding has none), where its value starts, and the value's length."""
Stretch = tuple[int, bytes, int, str | None, int, "Memory"]
"""From one element to the next wanted one: size, content, column and text of the first element; and how to go on:
the column of the next, and the memory of the context then."""
First = tuple[int, str | None, int, "Memory"]
"""Of a stretch's first element: column, text, where to go on, and the memory of the context then."""
Shape = tuple[int, int, Texter]
"""Of a wanted element: its column, its size, and what makes text of its value."""

_STRETCH_BYTES = 8192
_KEPT = 8192
_MEMORIES = 32


class Memory:
    """What was met in one context: stretches by their column; by their first 8 bytes, which are tag, VR and length,
    the sizes of unwanted elements and the shapes of wanted ones.
    """

    __slots__ = ("context", "shapes", "steps", "stretches")

    def __init__(self, ctx: Context) -> None:
        self.context = ctx
        self.stretches: dict[int, Stretch] = {}
        self.steps: dict[bytes, int] = {}
        self.shapes: dict[bytes, Shape] = {}

    def keep_step(self, head: bytes, size: int) -> None:
        """Remember an unwanted element."""
        if len(self.steps) >= _KEPT:
            self.steps.clear()
        self.steps[head] = size

    def keep_shape(self, head: bytes, column: int, size: int, vr: str) -> None:
        """Remember a wanted element."""
        if len(self.shapes) >= _KEPT:
            self.shapes.clear()
        if texter := texter_of(vr, self.context.order):
            self.shapes[head] = column, size, texter


class Plan:
    """Which tags, from `first` to `last`, go to which columns of a row (ascending), and what was met on the way.

    Any other tag ends the walk. One plan serves all files and threads.
    """

    def __init__(self, columns: Mapping[int, int], first: int, last: int) -> None:
        self.columns = columns
        self.first = first
        self.last = last
        self.dependent = {column for tag, column in columns.items() if needs(tag)}
        """Columns whose text may depend on more than the element's own bytes."""
        self._memories: dict[Context, Memory] = {}

    def memory(self, ctx: Context) -> Memory:
        """What was met in this context."""
        memory = self._memories.get(ctx)
        if memory is None:
            if len(self._memories) >= _MEMORIES:
                self._memories.clear()
            memory = self._memories[ctx] = Memory(ctx)
        return memory


class Picker:
    """Walks one data set as `read.Reader` has it, and writes the values that the plan wants into a row.

    Raises Odd where `walk.Walker` does, and when wanted elements are out of order.
    """

    def __init__(self, plan: Plan, limits: Limits, ctx: Context, buffer: bytes = b"") -> None:
        self.buffer = buffer
        self.base = 0
        self.at = 0
        self.context = ctx
        self._plan = plan
        self._limits = limits
        self._left = limits.max_elements

    def elements(self, found: Row, pos: int, end: int, ctx: Context) -> int:
        """Fill the row from `pos` on; return where the elements end, at or past `end`, or where the plan's end."""
        buffer, memory, column, latest = self.buffer, self._plan.memory(ctx), UNWANTED, UNWANTED
        while pos < end:
            stretch = memory.stretches.get(column)
            if stretch is None or buffer[pos : pos + stretch[0]] != stretch[1]:
                stretch = self._stretch(found, pos, end, memory)
                if stretch is None:
                    return pos
            size, _, column, text, following, memory = stretch
            found[column] = text
            pos += size
            if column != UNWANTED:
                if column <= latest:
                    raise Odd
                latest = column
            column = following
        self.context = memory.context
        return pos

    def _stretch(self, row: Row, pos: int, end: int, memory: Memory) -> Stretch | None:
        """The stretch from `pos` on, kept for the next file; None if the walk ends there."""
        self.at, self.context = pos, memory.context
        try:
            first = self._first(row, pos, end, memory)
            if first is None:
                return None
            column, text, far, after = first
            row[column] = text
            self.at, self.context = far, after.context
            far, following = self._step_over(far, end, after)
        except struct.error:
            raise Short from None
        keep = far < end and far - pos <= _STRETCH_BYTES and column not in self._plan.dependent
        stretch = far - pos, self.buffer[pos:far] if keep else b"", column, text, following, after
        if keep:
            memory.stretches[column] = stretch
        return stretch

    def _first(self, row: Row, pos: int, end: int, memory: Memory) -> First | None:
        """The element at `pos`, if it is wanted; else nothing of it. None if the walk ends there."""
        buffer, ctx = self.buffer, memory.context
        shape = memory.shapes.get(buffer[pos : pos + 8])
        if shape and pos + shape[1] <= end:
            column, size, texter = shape
            return column, texter(buffer[pos + 8 : pos + size], ctx.repertoire), pos + size, memory
        head = self._head(pos, ctx)
        if self._ends(head[0]):
            return None
        column = self._plan.columns.get(head[0], UNWANTED)
        if column == UNWANTED:
            return column, None, pos, memory
        vr, text, far = self._value(head, pos, row, ctx)
        if head[0] == CHARACTER_SET:
            declared = bytes(buffer[head[2] : far])
            return column, text, far, self._plan.memory(context(declared, ctx.implicit, ctx.order))
        if head[2] == pos + 8 and text is not None and head[1] != b"UN" and column not in self._plan.dependent:
            memory.keep_shape(buffer[pos : pos + 8], column, far - pos, vr)
        return column, text, far, memory

    def _step_over(self, pos: int, end: int, memory: Memory) -> tuple[int, int]:
        """Where the next wanted element starts, and its column; or where the walk or the window ends."""
        buffer, step, shapes, ctx = self.buffer, memory.steps.get, memory.shapes.get, memory.context
        for count in range(self._left):
            size = step(buffer[pos : pos + 8])
            if size:
                pos += size
                continue
            self.at = pos
            if pos >= end:
                break
            shape = shapes(buffer[pos : pos + 8])
            if shape:
                self._left -= count
                return pos, shape[0]
            head = self._head(pos, ctx)
            tag, vr, start, length = head
            column = self._plan.columns.get(tag, UNWANTED)
            if column != UNWANTED or self._ends(tag):
                self._left -= count
                return pos, column
            far = self._after(head, ctx, 0)
            if far <= end and length != UNDEFINED and vr not in LONG_VRS:
                memory.keep_step(buffer[pos:start], far - pos)
            pos = far
        else:
            raise over_limit("elements")
        self._left -= count
        return pos, UNWANTED

    def _head(self, pos: int, ctx: Context) -> Head:
        """Raises struct.error when the window ends inside it."""
        if ctx.implicit:
            group, element, length = ctx.head(self.buffer, pos)
            return group << 16 | element, b"", pos + 8, length
        group, element, vr, length = ctx.head(self.buffer, pos)
        if vr in LONG_VRS:
            return group << 16 | element, vr, pos + 12, ctx.length(self.buffer, pos + 8)[0]
        return group << 16 | element, vr, pos + 8, length

    def _ends(self, tag: int) -> bool:
        """Whether the walk ends at this tag."""
        if tag >= ITEM and tag >> 16 == 0xFFFE:
            raise Odd
        return not self._plan.first <= tag <= self._plan.last

    def _value(self, head: Head, pos: int, row: Row, ctx: Context) -> tuple[str, str | None, int]:
        """A wanted element's VR, its text, and where it ends."""
        tag, encoded, start, length = head
        vr, inner = encoded.decode("latin_1"), ctx
        if ctx.implicit or (encoded == b"UN" and length < 0xFFFF):
            vr = self._look_up(tag, row)
            inner = ctx if ctx.implicit else context(ctx.charset, True, "<")
        if length == UNDEFINED or vr == "SQ" or length > self._limits.max_value_bytes:
            return vr, None, self._after(head, ctx, 0)
        if vr not in ctx.renderers:
            raise Odd
        value = self.buffer[start : start + length]
        if len(value) < length:
            raise Short(start + length - pos)
        return vr, text_of(vr, value, inner.order, inner.repertoire), start + length

    def _look_up(self, tag: int, row: Row) -> str:
        """The VR of an element whose encoding does not tell."""
        needed = needs(tag)
        if needed is None:
            return implicit_vr(tag)
        decides = row[self._plan.columns[needed]]
        if needed == PIXEL_REPRESENTATION:
            return "SS" if decides == "1" else "US"
        return private_vr(tag, decides) if decides else "UN"

    def _after(self, head: Head, ctx: Context, depth: int) -> int:
        """Where an element ends."""
        _, vr, start, length = head
        if not ctx.implicit and vr not in EXPLICIT_VRS:
            raise Odd
        if length != UNDEFINED:
            return start + length
        if ctx.implicit or vr == b"SQ":
            return self._after_items(start, ctx, depth)
        if vr == b"UN":
            # Implicit VR Little Endian (PS3.5 6.2.2), but some writers keep VRs.
            explicit = self.buffer[start + 12 : start + 14] in EXPLICIT_VRS
            return self._after_items(start, ctx if explicit else context(ctx.charset, True, "<"), depth)
        return end_of_fragments(self.buffer, start)

    def _after_items(self, pos: int, ctx: Context, depth: int) -> int:
        """Where a sequence of undefined length ends whose items start at `pos`."""
        if depth >= self._limits.max_depth:
            raise over_limit("nesting")
        while True:
            self._count()
            group, element, length = ctx.item(self.buffer, pos)
            tag = group << 16 | element
            pos += 8
            if tag == SEQUENCE_END:
                return pos
            if tag != ITEM:
                raise Odd
            pos = self._after_item(pos, ctx, depth) if length == UNDEFINED else pos + length

    def _after_item(self, pos: int, ctx: Context, depth: int) -> int:
        while True:
            self._count()
            head = self._head(pos, ctx)
            if head[0] == ITEM_END:
                return pos + 8
            if head[0] >= ITEM or not head[0]:
                raise Odd
            pos = self._after(head, ctx, depth + 1)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise over_limit("elements")


def needs(tag: int) -> int | None:
    """The tag without whose value this one's VR is not known: a private creator's, or Pixel Representation."""
    if tag & 0x10000 and tag & 0xFF00:
        return (tag & 0xFFFF0000) | (tag >> 8 & 0xFF)
    return PIXEL_REPRESENTATION if implicit_vr(tag) == US_OR_SS else None
