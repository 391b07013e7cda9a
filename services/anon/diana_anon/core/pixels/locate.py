"""Where the pixels of an object lie: found by the engine's own reader, so that both mean the same bytes."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from typing import cast

from diana_anon.core.rewriting.elements import PIXEL_DATA, Element, Reader
from diana_anon.core.rewriting.part10 import inflated
from diana_common.dicom.context import Context
from diana_common.dicom.limits import DEFAULT_LIMITS, Limits, Odd, Short, truncated
from diana_common.dicom.read import DEFLATED, file_meta, first_context
from diana_common.dicom.source import WholeSource
from diana_common.errors import DianaError, Reason


@dataclass(frozen=True, slots=True)
class Located:
    """Pixel Data (7FE0,0010) of one object. `view` are the bytes that the elements' places count in: the file's, or
    those of its data set inflated.
    """

    transfer_syntax_uid: str
    view: memoryview = field(repr=False)
    pixels: Element
    elements: dict[int, Element] = field(repr=False)
    context: Context = field(repr=False)

    @property
    def encapsulated(self) -> bool:
        """Whether the value is a sequence of fragments (PS3.5 A.4)."""
        return self.pixels.end != self.pixels.after

    def value(self, tag: int) -> bytes:
        """The bytes of an element at the top; empty without it."""
        element = self.elements.get(tag)
        return bytes(self.view[element.start : element.end]) if element else b""


def find_pixels(source: bytes | mmap.mmap, limits: Limits = DEFAULT_LIMITS) -> Located | None:
    """The object's Pixel Data, the last if there are several; None without.

    Raises NOT_PART10, FILE_META_INVALID, DATA_SET_TRUNCATED, DATA_SET_INVALID, DATA_SET_LIMIT, NOT_DEIDENTIFIABLE as
    the engine does.
    """
    buffer = cast(bytes, source)  # a map is sliced and unpacked exactly as bytes are
    meta = file_meta(WholeSource(buffer))
    syntax, start = meta.transfer_syntax_uid, meta.offset
    if syntax in DEFLATED:
        buffer, start = inflated(memoryview(source)[start:], limits), 0
    ctx = first_context(WholeSource(buffer), start, syntax)
    try:
        found, _ = Reader(buffer, limits).elements(start, len(buffer), ctx)
    except Short:
        raise truncated("an element") from None
    except Odd:
        text = "the data set is encoded in a way that leaves its meaning in doubt"
        raise DianaError(Reason.NOT_DEIDENTIFIABLE, text) from None
    elements = {element.tag: element for element in found}
    pixels = elements.get(PIXEL_DATA)
    return Located(syntax, memoryview(buffer), pixels, elements, ctx) if pixels else None
