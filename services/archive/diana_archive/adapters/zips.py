"""Zip files (PS3.12 Annex V). Members are streamed; their names are never used as paths."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import IO

from diana_archive.adapters.reading import shown, stamp
from diana_archive.core.importing import Found, Key
from diana_common.errors import DianaError, Reason

MOST_MEMBERS = 100_000
MOST_DIRECTORY_BYTES = 16 * 1024**2
"""The central directory is held in memory, at up to 8 times its size."""
MOST_INFLATED_BYTES = 1024**4
"""All members together."""
MOST_RATIO, RATIO_FROM = 200, 4 * 1024**3
"""All members together inflate to no more than so many times the file's size, or to this.

A blank image deflates to a thousandth: only what is large as well is suspect.
"""

_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those of PS3.12 Annex V. Others inflate without a bound on what one read yields."""
_ENCRYPTED = 0x1
_LOCAL_HEADER = 30
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ValueError,
    EOFError,
    RuntimeError,
    OSError,
    OverflowError,
    LookupError,
)
"""What `zipfile` raises on damage; NotImplementedError is a RuntimeError."""


def is_zip(head: bytes) -> bool:
    """Whether a file that begins so is a zip file; a Part 10 file is none, whatever its preamble says."""
    return head.startswith(_SIGNATURES) and head[128:132] != b"DICM"


class ZipContainer:
    """A zip file that is open. Raises DianaError CONTAINER_INVALID, CONTAINER_LIMIT before anything is inflated."""

    def __init__(self, descriptor: int) -> None:
        self._stamp = stamp(descriptor)
        file = _Bounded(io.FileIO(descriptor, closefd=False))
        size = file.seek(0, io.SEEK_END)
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN as error:
            raise _invalid("The zip file is damaged.") from error
        _check(self._zip.infolist(), size)

    def members(self, name: str, key: Key, after: Key) -> Iterator[Found]:
        """Its files as parts of the one of this name and key, each readable until the next is asked for."""
        for number, info in enumerate(self._zip.infolist()):
            member = (*key, self._stamp, f"{number:08d}")
            if member <= after or info.filename.endswith("/"):
                continue
            found = f"{name}!{info.filename}" if name else info.filename
            try:
                with closing(self._open(info)) as stream:
                    yield Found(shown([found]), member, _MemberReader(stream))
            except DianaError as error:
                yield Found(shown([found]), member, error)

    def _open(self, info: zipfile.ZipInfo) -> IO[bytes]:
        if info.flag_bits & _ENCRYPTED:
            raise _invalid("The member is encrypted.")
        if info.compress_type not in _METHODS:
            raise _invalid("The member is compressed otherwise than PS3.12 Annex V allows.")
        try:
            return self._zip.open(info)
        except _BROKEN as error:
            raise _damaged() from error


class _MemberReader:
    """core.importing.Reader over a member. No more comes out than the directory says, or it is damaged."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """See core.importing.Reader."""
        try:
            return self._stream.read(size)
        except _BROKEN as error:
            raise _damaged() from error


class _Bounded(io.BufferedReader):
    """`zipfile` reads the central directory in one piece, however large the file says it is."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = MOST_DIRECTORY_BYTES
        if size > MOST_DIRECTORY_BYTES:
            raise _over_limit("its directory is larger than 16 MiB")
        return super().read(size)


def _check(members: list[zipfile.ZipInfo], file_size: int) -> None:
    """Refuse what costs too much, by what it says of itself: more than that is not read from it."""
    if len(members) > MOST_MEMBERS:
        raise _over_limit(f"it has more than {MOST_MEMBERS:,} members")
    inflated = sum(info.file_size for info in members)
    if inflated > min(MOST_INFLATED_BYTES, max(RATIO_FROM, MOST_RATIO * file_size)):
        raise _over_limit("it inflates to too many bytes")
    end = 0
    for info in sorted(members, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise _invalid("Members of the zip file overlap.")
        end = info.header_offset + _LOCAL_HEADER + info.compress_size
    if end > file_size:
        raise _invalid("The zip file is cut short.")


def _invalid(message: str) -> DianaError:
    return DianaError(Reason.CONTAINER_INVALID, message)


def _damaged() -> DianaError:
    return _invalid("The member is damaged.")


def _over_limit(why: str) -> DianaError:
    return DianaError(Reason.CONTAINER_LIMIT, f"The zip file passes a limit: {why}.")
