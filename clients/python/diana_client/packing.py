"""An upload's messages, put together as bytes.

They are `UploadInstancesRequest` in protobuf's wire format. Building them from message objects would copy
every byte twice more, which is most of what an upload costs a client.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.type.v1.origin_pb2 import Origin
from diana_client.items import CHUNK_BYTES

if TYPE_CHECKING:  # grpc's classes take no parameters when they run
    Method = grpc.StreamStreamMultiCallable[bytes, pb.UploadInstancesResponse]

_FULL = CHUNK_BYTES * 5 // 4  # so that two CT slices of 512 x 512 share a message
_FRAMING_BYTES = 32  # a chunk's tag, offset and lengths on the wire
_VARINT, _LENGTH, _FIXED32 = 0, 2, 5  # wire types
_RPC = pb.DESCRIPTOR.services_by_name["ArchiveService"].methods_by_name["UploadInstances"]


def _key(field: str, wire_type: int) -> bytes:
    """What stands before a chunk's field on the wire."""
    number: int = pb.UploadChunk.DESCRIPTOR.fields_by_name[field].number
    return bytes([number << 3 | wire_type])


_TAG = _key("tag", _VARINT)
_WRITE_OFFSET = _key("write_offset", _VARINT)
_DATA = _key("data", _LENGTH)
_FINISH = _key("finish", _VARINT) + b"\x01"
_UPLOAD_ID = _key("upload_id", _LENGTH)
_CRC32 = _key("crc32", _FIXED32)
_SHA256 = _key("sha256", _LENGTH)
_CHUNK = bytes([pb.UploadInstancesRequest.DESCRIPTOR.fields_by_name["chunks"].number << 3 | _LENGTH])


def upload_method(channel: grpc.Channel) -> Method:
    """UploadInstances, for messages that are bytes already."""
    return channel.stream_stream(
        f"/{_RPC.containing_service.full_name}/{_RPC.name}",
        response_deserializer=pb.UploadInstancesResponse.FromString,
    )


class Packer:
    """Gathers chunks into messages near 1 MiB. The first message says where they go and come from."""

    def __init__(self, store: str, origin: Origin | None) -> None:
        self._parts: list[bytes] = [pb.UploadInstancesRequest(store=store, origin=origin).SerializeToString()]
        self._bytes = 0

    @property
    def pending(self) -> bool:
        """Whether chunks wait for their message to be full."""
        return self._bytes > 0

    def add(self, tag: int, offset: int, data: bytes, finish: bool, more: bytes = b"") -> Iterator[bytes]:
        """Take a chunk, with `more` fields; yield the message that had to leave to make room for it, if any."""
        if self.pending and self._bytes + len(data) > _FULL:
            yield self.flush()
        head = _TAG + _varint(tag) + _WRITE_OFFSET + _varint(offset) + _DATA + _varint(len(data))
        tail = _FINISH + more if finish else more
        self._parts += (_CHUNK + _varint(len(head) + len(data) + len(tail)) + head, data, tail)
        self._bytes += len(data) + _FRAMING_BYTES

    def flush(self) -> bytes:
        """The message as it stands; the next chunk opens another."""
        message = b"".join(self._parts)
        self._parts, self._bytes = [], 0
        return message


def resumable_fields(upload_id: str, crc32: int, sha256: bytes = b"") -> bytes:
    """What a chunk of a resumable upload has besides; empty ones are left out."""
    name = upload_id.encode()
    named = _UPLOAD_ID + _varint(len(name)) + name if name else b""
    digested = _SHA256 + _varint(len(sha256)) + sha256 if sha256 else b""
    return named + _CRC32 + crc32.to_bytes(4, "little") + digested


def _varint(value: int) -> bytes:
    """A number that is not negative, seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
