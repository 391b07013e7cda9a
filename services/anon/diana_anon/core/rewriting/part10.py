"""The frame around a data set: preamble, File Meta Information made anew (PS3.10 section 7.1), and deflation."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from functools import lru_cache

from diana_anon.core.rewriting import encode
from diana_common.dicom.context import context
from diana_common.dicom.limits import Limits, invalid, over_limit, truncated
from diana_common.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_START = bytes(128) + b"DICM"
_CONTEXT = context(b"", False, "<")


def file_head(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """A preamble of zeros and File Meta that says who wrote the file, and nothing of where it was before."""
    before, after = _around(sop_class_uid, transfer_syntax_uid)
    meta = before + encode.element(0x00020003, sop_instance_uid.encode(), _CONTEXT) + after
    return _START + encode.element(0x00020000, struct.pack("<I", len(meta)), _CONTEXT) + meta


@lru_cache(maxsize=64)
def _around(sop_class_uid: str, transfer_syntax_uid: str) -> tuple[bytes, bytes]:
    """What stands before and after Media Storage SOP Instance UID: alike in all objects of a kind."""
    before = {0x00020001: b"\0\1", 0x00020002: sop_class_uid.encode()}
    after = {
        0x00020010: transfer_syntax_uid.encode(),
        0x00020012: IMPLEMENTATION_CLASS_UID.encode(),
        0x00020013: IMPLEMENTATION_VERSION_NAME.encode(),
    }
    first, last = (b"".join(encode.element(*one, _CONTEXT) for one in some.items()) for some in (before, after))
    return first, last


def inflated(deflated: memoryview, limits: Limits) -> bytes:
    """A deflated data set (PS3.5 A.5) whole.

    Raises DATA_SET_LIMIT beyond what may be held at once, DATA_SET_TRUNCATED, DATA_SET_INVALID.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(deflated, limits.max_window_bytes + 1)
    except zlib.error:
        raise invalid("the deflated data set does not inflate") from None
    if len(data) > limits.max_window_bytes:
        raise over_limit("inflated bytes")
    if not inflater.eof:
        raise truncated("the deflated stream")
    return data


def deflated(pieces: Iterable[bytes | memoryview]) -> list[bytes | memoryview]:
    """The data set deflated, padded to even length."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    parts = [deflater.compress(piece) for piece in pieces]
    parts.append(deflater.flush())
    data = b"".join(parts)
    return [data + b"\0" * (len(data) % 2)]
