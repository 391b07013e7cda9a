"""Data sets built byte by byte, so that a test can write what pydicom would refuse to."""

from __future__ import annotations

import struct

LONG = frozenset(b"OB OW OF OD OL OV SQ UN UT UC UR SV UV".split())
EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED, JPEG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"
SOP_CLASS = "1.2.840.10008.5.1.4.1.1.7"
UNDEFINED = 0xFFFFFFFF
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)


def element(tag: int, vr: str, value: bytes, length: int | None = None, order: str = "<") -> bytes:
    """An explicit element; `length` overrides the true one."""
    value += (b"\0" if vr == "UI" else b" ") if len(value) % 2 and length is None else b""
    size = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    return (
        head + (struct.pack(order + "HI", 0, size) if vr.encode() in LONG else struct.pack(order + "H", size)) + value
    )


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    """An implicit little endian element."""
    size = len(value) if length is None else length
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, size) + value


def item(content: bytes, delimited: bool = False) -> bytes:
    """An item of a sequence, of defined or undefined length."""
    if delimited:
        return struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED) + content + ITEM_END
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def meta(syntax: str = EXPLICIT, sop_class: str = SOP_CLASS, group_length: int | None = None) -> bytes:
    """Preamble and File Meta."""
    elements = element(0x00020002, "UI", sop_class.encode()) + element(0x00020010, "UI", syntax.encode())
    length = len(elements) if group_length is None else group_length
    return bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", length)) + elements


UIDS = {0x00080016: SOP_CLASS.encode(), 0x00080018: b"1.2.3.4", 0x0020000D: b"1.2.3", 0x0020000E: b"1.2.3.5"}


def data_set(*elements: bytes, uids: dict[int, bytes] | None = None) -> bytes:
    """Explicit elements with the four UIDs among them, in ascending order of their tags."""
    parts = [element(tag, "UI", uid) for tag, uid in (UIDS if uids is None else uids).items()]
    parts.extend(elements)
    ascending = sorted(parts, key=_tag)
    return b"".join(ascending)


def _tag(part: bytes) -> tuple[int, int]:
    group, number = struct.unpack_from("<HH", part)
    return group, number


def part10(*elements: bytes, syntax: str = EXPLICIT) -> bytes:
    """A file of `data_set`."""
    return meta(syntax) + data_set(*elements)
