"""The walk over a data set's elements, straight from the bytes to the text of its DICOM JSON."""

from __future__ import annotations

import struct

from diana_common.dicom.context import KEPT_BYTES, KEPT_SEQUENCE_BYTES, Context, context
from diana_common.dicom.fragments import bulk, find, joined, rendered, text_of
from diana_common.dicom.limits import MIB, Limits, Odd, Short, over_limit
from diana_common.dicom.render import BINARY, inline_binary
from diana_common.dicom.vr import EXPLICIT_VRS, LONG_VRS, US_OR_SS, implicit_vr, private_vr

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
CHARACTER_SET = 0x00080005
HEADER_END = 0x7FE00008
"""The first of Float, Double Float and plain Pixel Data: the header ends before it, and before all above."""
NOTHING = 0x100000000
"""Above all tags: a walk that stops nowhere."""

FRAGMENT = struct.Struct("<II").unpack_from
_STEP = 4 * MIB
"""Elements are counted against the limits at least this often."""


Place = tuple[int, int, int]
"""Where an element starts in the buffer, where its value starts, and the value's length."""


class Walker:
    """Walks the data set seen through a window: `buffer`, whose first byte is at offset `base`.

    `Short` says that the window ends inside the element at `at`: show a later window and walk on from there.
    Offsets in BulkDataURI are `uri:OFFSET-LENGTH`, counted as `base` counts.
    """

    def __init__(self, uri: str, limits: Limits, ctx: Context, stop: int = HEADER_END) -> None:
        self.buffer = b""
        self.base = 0
        self.at = 0
        self.context = ctx
        self._uri = uri
        self._stop = stop
        self._limits = limits
        self._depth = 0
        self._count = 0
        self._bytes = 0
        self._levels: list[list[str]] = []

    def elements(self, fragments: list[str], pos: int, end: int, ctx: Context) -> int:
        """Append the elements from `pos` on; return where they end: at or past `end`, or at a tag that ends them.

        Such are delimiters, at the top `stop` and all above, and (0000,0000), which is padding.
        """
        self._levels.append(fragments)
        try:
            while True:
                known = len(fragments)
                edge = min(end, pos + _STEP)
                pos, ctx = (self._implicit if ctx.implicit else self._explicit)(fragments, pos, edge, ctx)
                self._counted(len(fragments) - known)
                if pos < edge or pos >= end:
                    self.context = ctx
                    return pos
        finally:
            self._levels.pop()

    def _explicit(self, fragments: list[str], pos: int, end: int, ctx: Context) -> tuple[int, Context]:
        buffer, head, kept, append = self.buffer, ctx.head, ctx.rendered.get, fragments.append
        stop = ITEM if self._depth else self._stop
        # The element that a run of known ones began with, where that ended, and how many there were then.
        first, after, count, known = b"", 0, 0, 0
        runs = ctx.runs.get if stop == HEADER_END else None
        try:
            while pos < end:
                group, element, vr, length = head(buffer, pos)
                tag = group << 16 | element
                if tag >= stop or not tag:
                    break
                start = pos + 8
                if vr in LONG_VRS:
                    (length,) = ctx.length(buffer, start)
                    start += 4
                    raw = buffer[pos : start + length] if length <= KEPT_BYTES else b""
                else:
                    raw = buffer[pos : start + length]
                fragment = kept(raw)
                if fragment is not None:
                    append(fragment)
                    pos = start + length
                    if runs:
                        if not first:
                            first, after, count = raw, pos, len(fragments)
                        if (run := runs(raw)) and buffer[pos : (far := pos + len(run[0]))] == run[0] and far <= end:
                            fragments += run[1]
                            pos = known = far
                    continue
                if first:
                    if pos != known:
                        ctx.keep_run(first, buffer[after:pos], fragments[count:])
                    first = b""
                pos = self._element(fragments, tag, vr.decode("latin_1"), (pos, start, length), ctx)
                if tag == CHARACTER_SET:
                    ctx = context(bytes(buffer[start : start + length]), False, ctx.order)
                    kept = ctx.rendered.get
                    runs = runs and ctx.runs.get
        except (Short, struct.error) as short:
            self.at, self.context = pos, ctx
            raise short if isinstance(short, Short) else Short from None
        return pos, ctx

    def _implicit(self, fragments: list[str], pos: int, end: int, ctx: Context) -> tuple[int, Context]:
        buffer, head, kept, append = self.buffer, ctx.head, ctx.rendered.get, fragments.append
        stop = ITEM if self._depth else self._stop
        try:
            while pos < end:
                group, element, length = head(buffer, pos)
                tag = group << 16 | element
                if tag >= stop or not tag:
                    break
                start = pos + 8
                fragment = kept(buffer[pos : start + length]) if length <= KEPT_BYTES else None
                if fragment is not None:
                    append(fragment)
                    pos = start + length
                    continue
                pos = self._element(fragments, tag, "", (pos, start, length), ctx)
                if tag == CHARACTER_SET:
                    ctx = context(bytes(buffer[start : start + length]), True, ctx.order)
                    kept = ctx.rendered.get
        except (Short, struct.error) as short:
            self.at, self.context = pos, ctx
            raise short if isinstance(short, Short) else Short from None
        return pos, ctx

    def _element(self, fragments: list[str], tag: int, vr: str, where: Place, ctx: Context) -> int:
        """Append one element not rendered before; return where it ends."""
        _, start, length = where
        if vr == "SQ":
            return self._sequence(fragments, tag, where, ctx)
        if ctx.implicit:
            vr = self._look_up(tag, fragments)
            if vr == "SQ" or length == UNDEFINED:
                return self._sequence(fragments, tag, where, ctx)
        elif vr == "UN" and (length < 0xFFFF or length == UNDEFINED):
            # UN hides Implicit VR Little Endian (PS3.5 6.2.2), of which the dictionary may know more.
            vr = self._look_up(tag, fragments) if length != UNDEFINED else "SQ"
            inner = context(ctx.charset, True, "<")
            if vr == "SQ":
                # Some writers keep VRs inside such a sequence; its first item's first element tells.
                explicit = self.buffer[start + 12 : start + 14] in EXPLICIT_VRS
                try:
                    return self._sequence(fragments, tag, where, ctx if explicit else inner)
                except Odd:
                    if length == UNDEFINED:
                        raise
                    vr = "UN"
            ctx = inner
        elif length == UNDEFINED:
            return self._encapsulated(fragments, tag, vr, start)
        self._plain(fragments, tag, vr, where, ctx)
        return start + length

    def _plain(self, fragments: list[str], tag: int, vr: str, where: Place, ctx: Context) -> None:
        pos, start, length = where
        if length > (self._limits.inline_bytes if vr in BINARY else self._limits.max_value_bytes):
            fragments.append(bulk(self._uri, tag, vr, self.base + start, length))
            return
        raw = self.buffer[pos : start + length]
        if len(raw) < start + length - pos:
            raise Short(start + length - pos)
        self._bytes += len(raw)
        if self._bytes > self._limits.max_header_bytes:
            raise over_limit("header bytes")
        fragment = rendered(tag, vr, raw[start - pos :], ctx)
        if not tag & 0xFFFF:
            return
        fragments.append(fragment)
        fixed = not ctx.implicit or (start - pos == 8 and not tag & 0x10000 and implicit_vr(tag) == vr)
        if fixed and length <= KEPT_BYTES and tag != CHARACTER_SET:
            ctx.keep(raw, fragment)

    def _look_up(self, tag: int, fragments: list[str]) -> str:
        """The VR of an element whose encoding does not tell, by dictionary, creator and Pixel Representation."""
        if tag & 0x10000 and tag & 0xFF00:
            creator = text_of(fragments, (tag & 0xFFFF0000) | (tag >> 8 & 0xFF))
            return private_vr(tag, creator) if creator else "UN"
        vr = implicit_vr(tag)
        if vr != US_OR_SS:
            return vr
        declared = (find(level, 0x00280103) for level in reversed(self._levels))
        return "SS" if next(filter(None, declared), "").endswith("[1]}") else "US"

    def _encapsulated(self, fragments: list[str], tag: int, vr: str, start: int) -> int:
        """Fragments outside the top level: those of an icon image, say."""
        pos = end_of_fragments(self.buffer, start)
        content = pos - 8 - start
        if content > self._limits.inline_bytes:
            fragments.append(bulk(self._uri, tag, vr, self.base + start, content))
        else:
            fragments.append(f'"{tag:08X}":{{"vr":"{vr}"{inline_binary(self.buffer[start : pos - 8])}}}')
        return pos

    def _sequence(self, fragments: list[str], tag: int, where: Place, ctx: Context) -> int:
        """Append a sequence; return where it ends. Short ones at the top are remembered whole."""
        pos, start, length = where
        if length != UNDEFINED and start + length > len(self.buffer):
            raise Short(start + length - pos)
        keep = not (self._depth or ctx.implicit) and length <= KEPT_SEQUENCE_BYTES
        raw = self.buffer[start : start + length] if keep else b""
        known = ctx.sequences.get(raw) if keep else None
        if known is None:
            before = self._count
            body, end = self._nested(start, length, ctx)
            known = body, self._count - before
            if keep and b"UN" not in raw:
                ctx.keep_sequence(raw, known)
        else:
            self._counted(known[1])
            end = start + length
        fragments.append(f'"{tag:08X}":{{"vr":"SQ"{known[0]}}}')
        return end

    def _nested(self, start: int, length: int, ctx: Context) -> tuple[str, int]:
        """The items of a sequence as its Value member, and where it ends."""
        if self._depth >= self._limits.max_depth:
            raise over_limit("nesting")
        self._depth += 1
        try:
            if length == UNDEFINED:
                return self._items(start, len(self.buffer), True, ctx)
            try:
                return self._items(start, start + length, False, ctx)
            except Short:
                raise Odd from None
        finally:
            self._depth -= 1

    def _items(self, pos: int, end: int, delimited: bool, ctx: Context) -> tuple[str, int]:
        items: list[str] = []
        while delimited or pos < end:
            group, element, length = ctx.item(self.buffer, pos)
            tag = group << 16 | element
            if tag == SEQUENCE_END and delimited:
                pos += 8
                break
            if tag != ITEM:
                raise Odd
            self._counted(1)
            item, pos = self._item(pos + 8, length, end, ctx)
            items.append(item)
        if pos > end:
            raise Odd
        return (',"Value":[' + ",".join(items) + "]" if items else ""), pos

    def _item(self, pos: int, length: int, end: int, ctx: Context) -> tuple[str, int]:
        fragments: list[str] = []
        if length != UNDEFINED:
            stop = pos + length
            if stop > end:
                raise Short if end == len(self.buffer) else Odd
            if self.elements(fragments, pos, stop, ctx) != stop:
                raise Odd
            return joined(fragments), stop
        pos = self.elements(fragments, pos, end, ctx)
        if pos > len(self.buffer):
            raise Short
        if ctx.item(self.buffer, pos)[:2] != (0xFFFE, 0xE00D):
            raise Odd
        return joined(fragments), pos + 8

    def _counted(self, more: int) -> None:
        self._count += more
        if self._count > self._limits.max_elements:
            raise over_limit("elements")


def end_of_fragments(buffer: bytes, pos: int) -> int:
    """Where the sequence delimiter ends that follows the pixel fragments from `pos` on (PS3.5 A.4), little endian.

    Raises Short when the buffer ends first, Odd when something else than a fragment comes.
    """
    end = len(buffer)
    while pos + 8 <= end:
        tag, length = FRAGMENT(buffer, pos)
        pos += 8
        if tag == 0xE0DDFFFE:
            return pos
        if tag != 0xE000FFFE or length == UNDEFINED:
            raise Odd
        pos += length
    raise Short(0)
