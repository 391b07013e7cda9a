"""Messages that are put together as bytes are what protobuf makes of them."""

from __future__ import annotations

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana_server.packing import length_key, number_key, varint


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_a_chunk_of_any_length_is_the_message_that_protobuf_reads(size: int) -> None:
    data, chunk = bytes(size), pb.DownloadChunk.DESCRIPTOR
    finish = number_key(chunk, "finish") + varint(1)
    packed = length_key(chunk, "data") + varint(size) + data + finish
    assert pb.DownloadChunk.FromString(packed) == pb.DownloadChunk(data=data, finish=True)


def test_numbers_take_seven_bits_a_byte() -> None:
    for number in (0, 1, 127, 128, 300, 2**32, 2**63 - 1):
        packed = number_key(pb.UploadChunk.DESCRIPTOR, "write_offset") + varint(number)
        assert pb.UploadChunk.FromString(packed).write_offset == number
