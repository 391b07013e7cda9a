"""The files that a DICOMDIR lists (PS3.3 annex F, PS3.10 section 8)."""

from __future__ import annotations

import struct

from diana_common.dicom.context import Context, context
from diana_common.dicom.filemeta import DICOMDIR_SOP_CLASS
from diana_common.dicom.limits import Odd, Short
from diana_common.dicom.read import first_context
from diana_common.dicom.source import WholeSource
from diana_common.dicom.vr import LONG_VRS
from diana_common.dicom.walk import ITEM, SEQUENCE_END, UNDEFINED, end_of_fragments
from diana_common.errors import DianaError, Reason

MOST_DICOMDIR_BYTES = 64 * 1024**2
MOST_LISTED = 500_000

_SOP_CLASS, _SYNTAX = 0x00020002, 0x00020010
_RECORDS, _IN_USE, _FILE_ID = 0x00041220, 0x00041410, 0x00041500
_LONGEST = 4096
"""Bytes of a value that are looked at; a File ID has 71 at most."""
_BROKEN = (Short, Odd, struct.error)


def is_dicomdir(head: bytes) -> bool:
    """Whether a file that begins so is a DICOMDIR, by its Media Storage SOP Class UID."""
    if head[128:132] != b"DICM":
        return False
    try:
        return _file_meta(head)[0].get(_SOP_CLASS) == DICOMDIR_SOP_CLASS
    except _BROKEN:
        return False


def listed_files(dicomdir: bytes) -> list[tuple[str, ...]]:
    """Referenced File ID (0004,1500) of every record in use, in order, as the components of a path.

    Raises DianaError CONTAINER_INVALID, CONTAINER_LIMIT.
    """
    try:
        values, start = _file_meta(dicomdir)
        # Explicit VR Little Endian by the standard; not all writers know.
        ctx = first_context(WholeSource(dicomdir), start, values.get(_SYNTAX, ""))
        return _listed(dicomdir, start, ctx)
    except _BROKEN as error:
        raise DianaError(Reason.CONTAINER_INVALID, "The DICOMDIR is damaged.") from error


def _listed(data: bytes, pos: int, ctx: Context) -> list[tuple[str, ...]]:
    listed: list[tuple[str, ...]] = []
    in_use = True
    while pos < len(data):
        tag, value, pos = _element(data, pos, ctx)
        if tag == ITEM:
            in_use = True
        elif tag == _IN_USE:
            in_use = any(value)
        elif tag == _FILE_ID and in_use:
            if len(listed) >= MOST_LISTED:
                raise DianaError(Reason.CONTAINER_LIMIT, f"The DICOMDIR lists more than {MOST_LISTED:,} files.")
            text = value.rstrip(b" \0").decode("utf-8", "surrogateescape")
            listed.append(tuple(part.strip(" ") for part in text.split("\\")))
        elif not tag:
            break  # padding
    return listed


def _file_meta(data: bytes) -> tuple[dict[int, str], int]:
    """UIDs of the File Meta Information by tag, and where it ends."""
    values: dict[int, str] = {}
    pos, ctx = 132, context(b"", False, "<")
    while data[pos : pos + 2] == b"\2\0":
        tag, value, pos = _element(data, pos, ctx)
        values[tag] = value.rstrip(b" \0").decode("latin_1")
    return values, pos


def _element(data: bytes, pos: int, ctx: Context) -> tuple[int, bytes, int]:
    """Tag and value of the element at `pos`, and where the next one is: inside, for directory records.

    Sequences in records are passed over where their length is known; where it is not, their elements come like a
    record's, of which they can have none that matter.
    """
    group, element, length = ctx.item(data, pos)
    tag, vr, start = group << 16 | element, b"", pos + 8
    if ITEM <= tag <= SEQUENCE_END or not tag:
        return tag, b"", start
    if not ctx.implicit:
        _, _, vr, length = ctx.head(data, pos)
        if not (vr.isalpha() and vr.isupper()):
            raise Odd
        if vr in LONG_VRS:
            (length,) = ctx.length(data, start)
            start += 4
    if tag == _RECORDS or (length == UNDEFINED and vr in (b"", b"SQ")):
        return tag, b"", start
    end = end_of_fragments(data, start) if length == UNDEFINED else start + length
    if end > len(data):
        raise Short
    return tag, data[start : min(end, start + _LONGEST)], end
