"""Sending large items so that they can be gone on with: how far they are, and what is left of them."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from diana_client.errors import MeshError, SourceUnreadable, translated
from diana_client.ledger import Entry
from diana_client.packing import Packer, resumable_fields

_ASK_TIMEOUT = 10.0  # seconds

Progress = Callable[[str, str], int]
"""Of a store and an upload's name: how many bytes the archive has."""


def progress_of(channel: grpc.Channel) -> Progress:
    """A way to ask. What cannot be told counts as nothing: the archive then says where to go on."""
    method = ArchiveServiceStub(channel).GetUpload

    def progress(store: str, upload_id: str) -> int:
        try:
            with translated():
                answer = method(pb.GetUploadRequest(store=store, upload_id=upload_id), timeout=_ASK_TIMEOUT)
                return int(answer.write_offset)
        except MeshError:
            return 0

    return progress


def packed_from(entry: Entry, start: int, packer: Packer) -> Iterator[bytes]:
    """As `ledger.packed`, for an item with a name, of which the archive has the first `start` bytes.

    Those are read for the digest of the whole, and not sent.
    """
    digest, name, offset, held = hashlib.sha256(), entry.upload_id, 0, b""
    try:
        for piece in entry.item.pieces():
            if held:
                yield from packer.add(entry.tag, offset, held, False, resumable_fields(name, zlib.crc32(held)))
                name, offset, held = "", offset + len(held), b""
            if entry.answered:
                break
            digest.update(piece)
            skipped = min(len(piece), max(start - offset, 0))
            offset, held = offset + skipped, piece[skipped:]
    except Exception as error:  # whatever the caller's source raises is that item's failure alone
        # Out of place: refused, and what the archive has is kept.
        entry.failure, held, offset = SourceUnreadable(error), b"", offset + len(held) + 1
    entry.finished = True
    last = resumable_fields(name, zlib.crc32(held), digest.digest())
    yield from packer.add(entry.tag, offset, held, True, last)
