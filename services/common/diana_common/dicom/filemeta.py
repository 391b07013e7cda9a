"""Preamble and File Meta Information (PS3.10 section 7.1)."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from diana_common.dicom.vr import LONG_VRS
from diana_common.errors import DianaError, Reason

DICOMDIR_SOP_CLASS = "1.2.840.10008.1.3.10"
_HEAD = struct.Struct("<HH2sH").unpack_from
_LENGTH = struct.Struct("<I").unpack_from
_UID = re.compile(r"[0-9.]{1,64}")


class FileMeta(NamedTuple):
    """What the scan needs of File Meta; `offset` is the first byte after it."""

    transfer_syntax_uid: str
    offset: int


def read_file_meta(head: bytes, complete: bool) -> FileMeta | None:
    """Read File Meta from the first bytes of a file; None when `head` ends inside it and more can be had.

    Group 0002 is walked element by element, so that a wrong group length (common) does no harm.
    Raises NOT_PART10, FILE_META_INVALID, DICOMDIR_REFUSED.
    """
    if head[128:132] != b"DICM":
        if len(head) < 132 and not complete:
            return None
        raise DianaError(Reason.NOT_PART10, "the file does not start with a preamble and 'DICM'")
    try:
        values, pos = file_meta_elements(head)
    except struct.error:
        if complete:
            raise _invalid("File Meta Information ends past the end of the data", "00020000") from None
        return None
    if not complete and pos + 8 > len(head):
        return None
    if _text(values.get(0x0002)) == DICOMDIR_SOP_CLASS:
        raise DianaError(Reason.DICOMDIR_REFUSED, "the file is a DICOMDIR")
    syntax = _text(values.get(0x0010))
    if not _UID.fullmatch(syntax):
        raise _invalid("Transfer Syntax UID is missing or no UID", "00020010")
    return FileMeta(syntax, pos)


def file_meta_elements(head: bytes) -> tuple[dict[int, bytes], int]:
    """Encoded values by element number, and where group 0002 ends; struct.error when `head` is too short."""
    values: dict[int, bytes] = {}
    pos = 132
    while head[pos : pos + 2] == b"\2\0":
        _, element, vr, length = _HEAD(head, pos)
        start = pos + 8
        if vr in LONG_VRS:
            (length,) = _LENGTH(head, start)
            start += 4
        elif not (vr.isalpha() and vr.isupper()):
            raise _invalid("File Meta Information is not in Explicit VR Little Endian", f"0002{element:04X}")
        pos = start + length
        if pos > len(head):
            raise struct.error
        values[element] = head[start:pos]
    return values, pos


def _text(value: bytes | None) -> str:
    return (value or b"").decode("latin_1").rstrip(" \0")


def _invalid(message: str, tag: str) -> DianaError:
    return DianaError(Reason.FILE_META_INVALID, message, metadata={"tag": tag})
