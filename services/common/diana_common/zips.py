"""Zip files (PS3.12 Annex V). Members are streamed; their names are never used as paths."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

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


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a zip file."""

    number: int
    """Its place in the directory, from 0: names may come twice."""
    name: str
    """What the zip file calls it: not to be used as a path."""
    size: int
    """Bytes that it inflates to, as the directory says; no more are read."""


class ZipContainer:
    """A zip file that is open. Raises DianaError CONTAINER_INVALID, CONTAINER_LIMIT before anything is inflated."""

    def __init__(self, descriptor: int) -> None:
        """The descriptor stays the caller's, who keeps it open for as long as members are read."""
        file = _Bounded(io.FileIO(descriptor, closefd=False))
        size = file.seek(0, io.SEEK_END)
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN as error:
            raise _invalid("The zip file is damaged.") from error
        self._members = self._zip.infolist()
        _check(self._members, size)

    def members(self, first: int = 0) -> Iterator[Member]:
        """Its files from one number on, folders left out: what has bytes is a file, whatever it is called."""
        for number in range(first, len(self._members)):
            info = self._members[number]
            if info.file_size or not info.filename.endswith("/"):
                yield Member(number, info.filename, info.file_size)

    def open(self, number: int) -> MemberReader:
        """A member's bytes. Raises DianaError CONTAINER_INVALID."""
        info = self._members[number]
        if info.flag_bits & _ENCRYPTED:
            raise _invalid("The member is encrypted.")
        if info.compress_type not in _METHODS:
            raise _invalid("The member is compressed otherwise than PS3.12 Annex V allows.")
        try:
            return MemberReader(self._zip.open(info))
        except _BROKEN as error:
            raise _damaged() from error


class MemberReader:
    """A member's bytes from the first on. No more come out than the directory says, or it is damaged.

    To be closed. Several may be open at a time, each read by a thread of its own; they are opened and closed one after
    the other.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end. Raises DianaError CONTAINER_INVALID."""
        try:
            return self._stream.read(size)
        except _BROKEN as error:
            raise _damaged() from error

    def seek(self, offset: int) -> None:
        """Go on from an offset; backwards, all before it is inflated again. Raises DianaError CONTAINER_INVALID."""
        try:
            self._stream.seek(offset)
        except _BROKEN as error:
            raise _damaged() from error

    def close(self) -> None:
        """Let go of it."""
        self._stream.close()


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
    if members and min(info.header_offset for info in members) > 0:
        raise _invalid("The zip file has something before its first member, such as another zip file.")
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
