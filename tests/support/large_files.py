"""Large instances made while they are sent: nobody holds one whole, in memory or on a disk."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from functools import cache

from diana.archive.v1 import archive_service_pb2 as pb
from tests.support.dicom_files import make_small

PIECE = 1 << 20
_PIXEL_DATA = b"\xe0\x7f\x10\x00OW\x00\x00"


def head_of(sop_uid: str, pixel_bytes: int) -> bytes:
    """A Part 10 file up to its Pixel Data's value, which is so long (even, under 4 GiB)."""
    small = make_small(sop_uid=sop_uid)
    return small[: small.rindex(_PIXEL_DATA)] + _PIXEL_DATA + struct.pack("<I", pixel_bytes)


def pieces_of(sop_uid: str, pixel_bytes: int) -> Iterator[bytes]:
    """The whole file in pieces of at most 1 MiB."""
    yield head_of(sop_uid, pixel_bytes)
    for start in range(0, pixel_bytes, PIECE):
        yield _pattern(start // PIECE % 7)[: min(PIECE, pixel_bytes - start)]


def size_of(sop_uid: str, pixel_bytes: int) -> int:
    """How many bytes that is."""
    return len(head_of(sop_uid, pixel_bytes)) + pixel_bytes


def digest_of(sop_uid: str, pixel_bytes: int) -> str:
    """Its SHA-256."""
    digest = hashlib.sha256()
    for piece in pieces_of(sop_uid, pixel_bytes):
        digest.update(piece)
    return digest.hexdigest()


def large_requests(sop_uid: str, pixel_bytes: int, tag: int = 0) -> Iterator[pb.UploadInstancesRequest]:
    """The messages of a stream that uploads it."""
    offset, size = 0, size_of(sop_uid, pixel_bytes)
    for piece in pieces_of(sop_uid, pixel_bytes):
        finish = offset + len(piece) == size
        chunk = pb.UploadChunk(tag=tag, write_offset=offset, data=piece, finish=finish)
        yield pb.UploadInstancesRequest(chunks=[chunk])
        offset += len(piece)


@cache
def _pattern(number: int) -> bytes:
    return bytes((number + one) % 251 for one in range(251)) * (PIECE // 251 + 1)
