"""Pack files: many objects in one, each an entry that tells what it is.

An entry begins at a multiple of 4,096 bytes: a head of 64 bytes, the object as it is kept, zeros up to the next
multiple. The head, little endian: magic, object id (8 bytes), the object's size, its size as it is kept, its encoding
(4 bytes each), CRC-32 of all that (4 bytes). The first block is empty. Where no head is, an object was removed, or a
power cut took what nobody was told of: a reader goes on at the next block.

An object id is a number that no other file of the archive bears, and in its lower 32 bits the entry's offset; a file
that is one object has the offset 0.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import zstandard

from diana_archive.core.failures import DamagedObject
from diana_archive.stores.direct import BLOCK

HEAD_BYTES = 64
MOST_BYTES = 4 * 1024 * 1024 - HEAD_BYTES
"""What an entry may hold."""

PLAIN, ZSTD = 0, 1
_MAGIC = b"DIANAPK1"
_HEAD = struct.Struct("<8sQIII")
_CRC = struct.Struct("<I")
_OFFSET_BITS = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry's head."""

    object_id: int
    size_bytes: int
    kept_bytes: int
    encoding: int

    @property
    def offset(self) -> int:
        """Where it begins in its pack."""
        return split_id(self.object_id)[1]

    @property
    def span(self) -> int:
        """How much of the pack it takes."""
        return span(self.kept_bytes)

    def encode(self) -> bytes:
        """The head's 64 bytes."""
        head = _HEAD.pack(_MAGIC, self.object_id, self.size_bytes, self.kept_bytes, self.encoding)
        return (head + _CRC.pack(zlib.crc32(head))).ljust(HEAD_BYTES, b"\0")


def join_id(number: int, offset: int = 0) -> int:
    """An object id."""
    return number << _OFFSET_BITS | offset


def split_id(object_id: int) -> tuple[int, int]:
    """A file's number and an offset, 0 for a file that is one object."""
    return object_id >> _OFFSET_BITS, object_id & ((1 << _OFFSET_BITS) - 1)


def span(kept_bytes: int) -> int:
    """How much of a pack an entry takes, head and padding included."""
    return -(-(HEAD_BYTES + kept_bytes) // BLOCK) * BLOCK


def encode_object(data: bytes, compress: bool) -> tuple[bytes, int]:
    """What is kept of an object, and how it is encoded: compressed where that saves a tenth."""
    if compress:
        smaller = zstandard.ZstdCompressor(level=3, write_checksum=True).compress(data)
        if len(smaller) <= len(data) * 9 // 10:
            return smaller, ZSTD
    return data, PLAIN


def read_entry(descriptor: int, object_id: int) -> Entry | None:
    """An entry's head; None where it is not, or no longer. Raises OSError."""
    head = os.pread(descriptor, _HEAD.size + _CRC.size, split_id(object_id)[1])
    if len(head) < _HEAD.size + _CRC.size or _CRC.unpack_from(head, _HEAD.size)[0] != zlib.crc32(head[: _HEAD.size]):
        return None
    magic, found_id, size_bytes, kept_bytes, encoding = _HEAD.unpack_from(head)
    good = magic == _MAGIC and found_id == object_id and max(size_bytes, kept_bytes) <= MOST_BYTES
    return Entry(object_id, size_bytes, kept_bytes, encoding) if good else None


def read_object(descriptor: int, entry: Entry) -> bytes:
    """An object as it came. Raises DamagedObject when its bytes are not what the head tells, OSError."""
    kept = os.pread(descriptor, entry.kept_bytes, entry.offset + HEAD_BYTES)
    if entry.encoding == PLAIN:
        return kept
    try:
        # A frame tells its size itself, and would be believed.
        if zstandard.frame_content_size(kept) != entry.size_bytes:
            raise DamagedObject
        return zstandard.ZstdDecompressor().decompress(kept)
    except zstandard.ZstdError as error:
        raise DamagedObject from error


def walk(descriptor: int, number: int, after_offset: int) -> Iterator[Entry]:
    """A pack's entries behind an offset. Raises OSError."""
    offset = max(BLOCK, after_offset + 1 + (-(after_offset + 1) % BLOCK))
    while (offset := _next_data(descriptor, offset)) >= 0:
        entry = _readable_entry(descriptor, join_id(number, offset))
        if entry:
            yield entry
        offset += entry.span if entry else BLOCK


def _readable_entry(descriptor: int, object_id: int) -> Entry | None:
    """None too where the disk does not give it: what lies behind it may still be read."""
    try:
        return read_entry(descriptor, object_id)
    except OSError as error:
        if error.errno == errno.EIO:
            return None
        raise


def _next_data(descriptor: int, offset: int) -> int:
    """The first block from there on that is no hole; -1 without one."""
    try:
        found = os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return -1
        raise
    return max(offset, found - found % BLOCK)
