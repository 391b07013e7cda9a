"""Zip files that mean harm: what `zipfile` writes, altered afterwards or put together by hand."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence

_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An honest zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def altered(file: bytes, field: int, value: int) -> bytes:
    """The same with a field of every central directory entry, and of the local header, set to a value.

    Fields: 0 flags, 1 method, 2 inflated size (of the central directory only).
    """
    central, local = ((8, 6), (10, 8), (24, None))[field]
    content = bytearray(file)
    width = "<L" if field == 2 else "<H"
    for signature, offset in ((b"PK\1\2", central), (b"PK\3\4", local)):
        at = content.find(signature)
        while at >= 0 and offset is not None:
            struct.pack_into(width, content, at + offset, value)
            at = content.find(signature, at + 4)
    return bytes(content)


def overlapping(content: bytes, count: int) -> bytes:
    """Many members that share one piece of deflated data."""
    packed = _deflated(content)
    local = _LOCAL.pack(b"PK\3\4", 20, 0, 8, 0, 0, zlib.crc32(content), len(packed), len(content), 1, 0) + b"a" + packed
    return _ended(local, [(0, zlib.crc32(content), len(packed), len(content))] * count)


def bomb(inflated_bytes: int) -> bytes:
    """One small member that says of itself that it inflates to so many bytes."""
    packed = _deflated(bytes(1000))
    local = _LOCAL.pack(b"PK\3\4", 20, 0, 8, 0, 0, 0, len(packed), 0, 1, 0) + b"a" + packed
    return _ended(local, [(0, 0, len(packed), inflated_bytes)])


def crowded(count: int) -> bytes:
    """A directory of so many empty members."""
    local = _LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    return _ended(local * count, [(number * len(local), 0, 0, 0) for number in range(count)])


def _deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(content) + packer.flush()


def _ended(body: bytes, members: Sequence[tuple[int, int, int, int]]) -> bytes:
    """The central directory after the members: offset, CRC-32, packed and inflated size of each."""
    central = b"".join(_entry(*member) for member in members)
    start, end = len(body), len(body) + len(central)
    count = len(members)
    return b"".join(
        (
            body,
            central,
            _END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(central), start),
            _LOCATOR64.pack(b"PK\6\7", 0, end, 1),
            _END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0),
        )
    )


def _entry(offset: int, crc: int, packed: int, inflated: int) -> bytes:
    extra = struct.pack("<HHQ", 1, 8, inflated) if inflated >= 0xFFFFFFFF else b""
    shown = min(inflated, 0xFFFFFFFF)
    method = 8 if packed else 0
    head = (b"PK\1\2", 45, 45, 0, method, 0, 0, crc, packed, shown, 1, len(extra), 0, 0, 0, 0, offset)
    return struct.pack("<4s6H3L5H2L", *head) + b"a" + extra
