"""What follows the header: whether the pixels, and all that comes after them, are there."""

from __future__ import annotations

from diana_common.dicom.context import Context
from diana_common.dicom.limits import Limits, Odd, invalid, over_limit, truncated
from diana_common.dicom.read import DEFLATED, Header, first_context, read_elements
from diana_common.dicom.source import PIECE, InflatedSource, Source
from diana_common.dicom.vr import LONG_VRS
from diana_common.dicom.walk import FRAGMENT, NOTHING, UNDEFINED, Walker


def check_source(source: Source, header: Header, limits: Limits) -> None:
    """See `diana_common.header.check_complete`."""
    start, inflated = header.data_set_offset, None
    if header.transfer_syntax_uid in DEFLATED:
        source = inflated = InflatedSource(source, start, limits, limits.max_inflated_bytes)
        start = 0
    ctx = first_context(source, start, header.transfer_syntax_uid)
    end = header.header_end
    if header.pixel_offset is not None:
        end = _after_pixels(source, header.pixel_offset, ctx, limits)
    _check_rest(source, end, Walker("", limits, ctx, stop=NOTHING))
    if inflated and not inflated.whole():
        raise truncated("the deflated stream")


def _after_pixels(source: Source, start: int, ctx: Context, limits: Limits) -> int:
    """Where the element of pixels ends that starts at `start`."""
    buffer, base = source.window(start, 12)
    at = start - base
    if ctx.implicit:
        length, value = ctx.length(buffer, at + 4)[0], start + 8
    elif at + 12 > len(buffer):
        raise truncated("Pixel Data")
    elif buffer[at + 4 : at + 6] in LONG_VRS:
        length, value = ctx.length(buffer, at + 8)[0], start + 12
    else:
        raise invalid("Pixel Data has a VR it cannot have")
    end = _after_fragments(source, value, limits) if length == UNDEFINED else value + length
    source.window(end, 0)
    if source.ends_before(end):
        raise truncated("Pixel Data")
    return end


def _after_fragments(source: Source, pos: int, limits: Limits) -> int:
    """Where the sequence delimiter ends that follows the fragments from `pos` on (PS3.5 A.4)."""
    for _ in range(limits.max_elements):
        buffer, base = source.window(pos, 8)
        if pos - base + 8 > len(buffer):
            raise truncated("encapsulated Pixel Data")
        tag, length = FRAGMENT(buffer, pos - base)
        pos += 8
        if tag == 0xE0DDFFFE:
            return pos
        if tag != 0xE000FFFE or length == UNDEFINED:
            raise invalid("encapsulated Pixel Data has something else than fragments")
        pos += length
    raise over_limit("fragments")


def _check_rest(source: Source, pos: int, walker: Walker) -> None:
    """Elements may follow, and zero bytes after them."""
    if source.ends_before(pos + 1):
        return
    try:
        pos, _ = read_elements(source, pos, walker, [])
    except Odd:
        raise invalid("what follows the pixels is no data set") from None
    while not source.ends_before(pos + 1):
        buffer, base = source.window(pos, PIECE)
        piece = buffer[pos - base : pos - base + PIECE]
        if any(piece):
            raise invalid("bytes that are no element follow the data set")
        pos += len(piece)
