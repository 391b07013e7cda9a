"""The head of a Part 10 file for a data set that came without one (PS3.10 section 7.1)."""

from __future__ import annotations

import struct
from functools import lru_cache

from diana_common.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


@lru_cache(4096)
def _meta_tail(transfer_syntax: str, calling: str) -> bytes:
    """What is the same for all instances of one sender."""
    return (
        _element(0x0010, b"UI", transfer_syntax)
        + _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID)
        + _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME)
        + _element(0x0016, b"AE", calling)
    )


def file_head(sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str, calling: str) -> bytes:
    """A preamble and the File Meta Information, with the sender's AE title as Source (0002,0016)."""
    meta = (
        struct.pack("<HH2s2xL", 2, 0x0001, b"OB", 2)
        + b"\0\1"
        + _element(0x0002, b"UI", sop_class_uid)
        + _element(0x0003, b"UI", sop_instance_uid)
        + _meta_tail(transfer_syntax, calling)
    )
    return bytes(128) + b"DICM" + struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(meta)) + meta


def _element(number: int, vr: bytes, text: str) -> bytes:
    data = text.encode("ascii", "replace")
    if len(data) % 2:
        data += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, number, vr, len(data)) + data
