"""The seekable compression of objects: any range is the plain one, and damage is found."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from diana_archive.core.ports import Contents
from diana_archive.stores.spool import Spool
from diana_archive.stores.zstd import FRAME_BYTES, SeekableReader, compress
from tests.support.dicom_files import make_ct, make_small

SIZES = [1, 40_000, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES, 9 * FRAME_BYTES + 77]


class Inner:
    """Compressed bytes in memory; counts what is read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.read_bytes = 0
        self.closed = False

    def read(self, offset: int, size: int) -> bytes:
        piece = self.data[offset : offset + size]
        self.read_bytes += len(piece)
        return piece

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        yield self.data

    def close(self) -> None:
        self.closed = True


def words(size: int) -> bytes:
    """Bytes that compress, and differ everywhere."""
    made = bytearray()
    number = 0
    while len(made) < size:
        made += b"value %d of the data set; " % number
        number += 1
    return bytes(made[:size])


def packed(plain: bytes) -> bytes:
    sink = io.BytesIO()
    assert compress(plain, sink.write)
    return sink.getvalue()


def reader(data: bytes, tmp_path: Path) -> SeekableReader:
    return SeekableReader(Inner(data), len(data), tmp_path)


@pytest.mark.parametrize("size", SIZES[1:])
def test_any_range_is_the_plain_one(size: int, tmp_path: Path) -> None:
    plain = words(size)
    seekable = reader(packed(plain), tmp_path)
    assert seekable.size_bytes == size
    choose = random.Random(size)
    for _ in range(60):
        offset, length = choose.randrange(size + 10), choose.randrange(1, 2 * FRAME_BYTES)
        assert seekable.read(offset, length) == plain[offset : offset + length]
    assert seekable.read(size, 1) == b""
    with seekable.contents() as contents:
        assert bytes(contents) == plain


def test_a_range_needs_the_frames_that_cover_it_only(tmp_path: Path) -> None:
    data = packed(words(20 * FRAME_BYTES))
    inner = Inner(data)
    seekable = SeekableReader(inner, len(data), tmp_path)
    seekable.read(7 * FRAME_BYTES + 5, 1000)
    assert inner.read_bytes < len(data) // 10


def test_other_programs_read_it() -> None:
    plain = words(2 * FRAME_BYTES + 5)
    stream = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed(plain)), read_across_frames=True)
    assert stream.read() == plain


def test_a_ct_comes_back_as_it_was_and_takes_less_room(tmp_path: Path) -> None:
    plain = make_ct()
    data = packed(plain)
    assert len(data) < 0.9 * len(plain)
    assert reader(data, tmp_path).read(0, len(plain)) == plain


@pytest.mark.parametrize("plain", [b"", b"DICM", random.Random(1).randbytes(3 * FRAME_BYTES)], ids=["none", "4", "3M"])
def test_what_does_not_shrink_by_a_tenth_is_not_compressed(plain: bytes) -> None:
    written = io.BytesIO()
    assert not compress(plain, written.write)
    assert len(written.getvalue()) <= len(plain)


def test_cut_short_anywhere_it_is_damaged(tmp_path: Path) -> None:
    data = packed(make_small())
    for size in range(0, len(data), 7):
        with pytest.raises(OSError, match="compressed"):
            reader(data[:size], tmp_path)


def test_a_flipped_bit_never_changes_what_is_read(tmp_path: Path) -> None:
    plain = make_small()
    data = packed(plain)
    found = 0
    for place in range(len(data)):
        flipped = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        try:
            assert reader(flipped, tmp_path).read(0, len(plain)) == plain
        except OSError:
            found += 1
    # A few bits have no meaning.
    assert found > 0.99 * len(data)


def test_a_refused_object_is_let_go(tmp_path: Path) -> None:
    inner = Inner(b"not compressed at all")
    with pytest.raises(OSError, match="compressed"):
        SeekableReader(inner, len(inner.data), tmp_path)
    assert inner.closed


def table(*entries: tuple[int, int], count: int | None = None) -> bytes:
    body = b"".join(struct.pack("<II", *entry) for entry in entries)
    body += struct.pack("<IBI", len(entries) if count is None else count, 0, 0x8F92EAB1)
    return struct.pack("<II", 0x184D2A5E, len(body)) + body


@pytest.mark.parametrize(
    "hostile",
    [
        table(count=0xFFFFFFFF),
        b"x" * 40 + table((40, 0xFFFFFFFF)),
        b"x" * 40 + table((40, FRAME_BYTES + 1)),
        b"x" * 40 + table((20, 10), (20, 10)),
        b"x" * 40 + table((41, 10)),
        b"x" * 40 + table((0xFFFFFFFF, 10)),
        b"x" * 40 + table((40, 0)),
    ],
)
def test_a_table_that_lies_is_refused(hostile: bytes, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="compressed"):
        reader(hostile, tmp_path)


def test_a_frame_that_claims_more_than_its_entry_gets_no_memory(tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(256 * FRAME_BYTES))
    seekable = reader(bomb + table((len(bomb), FRAME_BYTES)), tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(OSError, match="compressed"):
            seekable.read(0, 10)
        assert tracemalloc.get_traced_memory()[1] < 4 * FRAME_BYTES
    finally:
        tracemalloc.stop()


def test_a_spool_is_gone_with_its_process_and_for_its_owner_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.write(b"some ")
    spool.write(memoryview(b"bytes"))
    with spool.contents() as contents:
        assert bytes(contents) == b"some bytes"
    assert spool.read(5, 100) == b"bytes"
    assert not list(tmp_path.iterdir())
    spool.close()
    spool.close()
