"""Objects compressed with Zstandard so that a byte range needs only the frames that cover it.

The Zstandard Seekable Format (contrib/seekable_format of zstd): a frame for each MiB of input, and at the end, in a
skippable frame, a table of their sizes. `zstd -d` reads it like any other. What is read back is held to be hostile:
every length is checked before memory is given to it, and each frame bears a checksum.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import accumulate
from pathlib import Path

import zstandard

from diana_archive.core.failures import DamagedObject
from diana_archive.core.ports import Contents, ObjectReader
from diana_archive.stores.ahead import OF_ALL, Ahead
from diana_archive.stores.spool import Spool, write_all

FRAME_BYTES = 1024 * 1024
_LEVEL = 3
_SAVES = 0.9
# Zstandard's bound on what a frame of incompressible input takes.
_MOST_COMPRESSED = FRAME_BYTES + 64 * 1024
_MOST_FRAMES = 1 << 20
_MOST_IN_MEMORY = 8 * FRAME_BYTES

_SKIPPABLE = struct.Struct("<II")
_SKIPPABLE_MAGIC = 0x184D2A5E
_ENTRY = struct.Struct("<II")
_FOOTER = struct.Struct("<IBI")
_FOOTER_MAGIC = 0x8F92EAB1


def compress(contents: Contents, write: Callable[[bytes], object]) -> bool:
    """Hand the compressed form to `write`, piece by piece.

    False when that does not save a tenth: what was written is not whole then, and is to be thrown away. Raises what
    `write` raises.
    """
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)
    entries: list[tuple[int, int]] = []
    most = int(len(contents) * _SAVES)
    written = _SKIPPABLE.size + _FOOTER.size
    with memoryview(contents) as view:
        for start in range(0, len(view), FRAME_BYTES):
            with view[start : start + FRAME_BYTES] as plain:
                frame = compressor.compress(plain)
                entries.append((len(frame), len(plain)))
            written += len(frame) + _ENTRY.size
            if written > most:
                return False
            write(frame)
    if written > most:
        return False
    write(_seek_table(entries))
    return True


def compress_to(path: Path, contents: Contents) -> int | None:
    """The compressed form in a new file, by its descriptor; None, and no file, when that does not save a tenth.

    Raises OSError; nothing is left then.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    pays = False
    try:
        pays = compress(contents, lambda data: write_all(descriptor, data))
    finally:
        if not pays:
            os.close(descriptor)
            path.unlink()
    return descriptor if pays else None


class SeekableReader:
    """core.ports.ObjectReader of the plain bytes, over a reader of the compressed ones, which it closes."""

    def __init__(self, inner: ObjectReader, inner_bytes: int, spool_dir: Path, ahead: Ahead = OF_ALL) -> None:
        """`inner_bytes` is the compressed size; `spool_dir` is where `contents` maps large ones from.

        Raises DamagedObject, OSError.
        """
        self._inner = inner
        self._spool_dir = spool_dir
        self._ahead = ahead
        self._index = -1
        try:
            entries = _read_table(inner, inner_bytes)
        except BaseException:
            inner.close()
            raise
        self._starts = list(accumulate((packed for packed, _ in entries), initial=0))
        self._last_bytes = entries[-1][1] if entries else 0
        self.size_bytes = sum(plain for _, plain in entries)

    def read(self, offset: int, size: int) -> bytes:
        """See core.ports.ObjectReader."""
        end = min(offset + size, self.size_bytes)
        pieces = []
        while offset < end:
            index, skip = divmod(offset, FRAME_BYTES)
            piece = self._frame(index)[skip : skip + end - offset]
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def contents(self) -> AbstractContextManager[Contents]:
        """See core.ports.ObjectReader."""
        return spooled(self, self.size_bytes, self._spool_dir)

    def close(self) -> None:
        """See core.ports.ObjectReader."""
        self._ahead.drop(self)
        self._inner.close()

    def _frame(self, index: int) -> bytes:
        """The last one is held: a reader goes forward in pieces that end where they like."""
        held = self._ahead.find(self) if self._index == index else None
        if held is not None:
            return held
        start, end = self._starts[index : index + 2]
        plain = FRAME_BYTES if index < len(self._starts) - 2 else self._last_bytes
        with self._ahead.unpacking:
            frame = _decompress(self._inner.read(start, end - start), end - start, plain)
        self._ahead.hold(self, frame)
        self._index = index
        return frame


@contextmanager
def spooled(reader: ObjectReader, size_bytes: int, spool_dir: Path) -> Iterator[Contents]:
    """All that a reader has: in memory if it is little, else mapped from a file. Raises OSError."""
    if size_bytes <= _MOST_IN_MEMORY:
        yield reader.read(0, size_bytes)
        return
    spool = Spool(spool_dir)
    try:
        while piece := reader.read(spool.size_bytes, FRAME_BYTES):
            spool.write(piece)
        with spool.contents() as contents:
            yield contents
    finally:
        spool.close()


def _seek_table(entries: list[tuple[int, int]]) -> bytes:
    table = b"".join(_ENTRY.pack(*entry) for entry in entries) + _FOOTER.pack(len(entries), 0, _FOOTER_MAGIC)
    return _SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(table)) + table


def _read_table(inner: ObjectReader, inner_bytes: int) -> list[tuple[int, int]]:
    """Compressed and plain size of each frame: 1 MiB plain all but the last, as `compress` makes them."""
    footer = inner.read(max(0, inner_bytes - _FOOTER.size), _FOOTER.size)
    if len(footer) != _FOOTER.size:
        raise DamagedObject()
    count, descriptor, magic = _FOOTER.unpack(footer)
    table_bytes = count * _ENTRY.size + _FOOTER.size
    start = inner_bytes - table_bytes - _SKIPPABLE.size
    if magic != _FOOTER_MAGIC or descriptor or count > _MOST_FRAMES or start < 0:
        raise DamagedObject()
    table = inner.read(start, _SKIPPABLE.size + table_bytes)
    if table[: _SKIPPABLE.size] != _SKIPPABLE.pack(_SKIPPABLE_MAGIC, table_bytes) or table[-_FOOTER.size :] != footer:
        raise DamagedObject()
    entries = list(_ENTRY.iter_unpack(table[_SKIPPABLE.size : -_FOOTER.size]))
    sound = all(0 < packed <= _MOST_COMPRESSED and 0 < plain <= FRAME_BYTES for packed, plain in entries)
    full = all(plain == FRAME_BYTES for _, plain in entries[:-1])
    if not (sound and full and sum(packed for packed, _ in entries) == start):
        raise DamagedObject()
    return entries


def _decompress(data: bytes, packed_bytes: int, plain_bytes: int) -> bytes:
    try:
        if len(data) != packed_bytes or zstandard.frame_content_size(data) != plain_bytes:
            raise DamagedObject()
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DamagedObject() from error
