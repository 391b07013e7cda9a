"""A ZIP file of DICOM files (PS3.12 Annex V). Its members are streamed, and their names are never used as paths."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, BinaryIO

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.by_uid import of_uids, wanted_uids
from diana_endpoints.failures import each, unreadable
from diana_endpoints.items import CHUNK, Item
from diana_endpoints.kind import Kind
from diana_endpoints.levels import UIDS
from diana_endpoints.part10 import PREAMBLE, is_part10
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.walking import file_health
from diana_endpoints.zip_writing import ZipWriter

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those of PS3.12 Annex V. Others inflate without a bound on what one read yields."""
_ENCRYPTED = 0x1
_END = b"PK\x05\x06"
_END64 = b"PK\x06\x07"
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, RuntimeError, OSError)
"""What `zipfile` raises on damage; NotImplementedError is a RuntimeError."""


@dataclass(frozen=True)
class ZipSettings:
    """A ZIP file, and what it may cost."""

    path: Path
    """The file."""

    replace: bool = False
    """Whether what is put takes the place of a file that is there; else that is refused."""

    max_members: int = 200_000
    """More members than this are refused before any is listed."""

    max_directory_bytes: int = 64 * 1024 * 1024
    """A central directory larger than this is refused; it is held in memory."""

    max_total_bytes: int = 256 * 1024**3
    """All members together inflate to no more than this."""

    max_ratio: int = 200
    """A member of over 64 MiB inflates to no more than this many times its size in the file."""


class Zip:
    """Endpoint `zip`. What is counted against the limits is what comes out, not what the file says of itself."""

    def __init__(self, settings: ZipSettings) -> None:
        self._settings = settings
        self._open: zipfile.ZipFile | None = None
        self._budget = _Budget(settings)
        self.passed_over: Counter[str] = Counter()

    def close(self) -> None:
        """Close the file."""
        if self._open:
            self._open.close()

    def check(self) -> Health:
        """Whether the file can be opened, and how many members it has; one that is not there can be made."""
        return file_health(self._settings.path, lambda: f"{len(self._archive().infolist())} members")

    def list(self) -> Iterator[Item]:
        """Every Part 10 member. Raises DianaError if the file is no ZIP file or passes a limit."""
        self.passed_over = Counter()
        for number, info in enumerate(self._archive().infolist(), 1):
            if not info.is_dir() and (item := self._examine(info, number)):
                yield item

    def get(self, wanted: Item) -> Iterator[Item]:
        """The member that `wanted.meta["id"]`, or "path", names, as the listing gave it; else those of its UIDs."""
        named = str(wanted.meta.get("id") or wanted.meta.get("path") or "")
        found = False
        for item in self._of_name(named) if named else ():
            found = True
            yield item
        by_uid = not found and (not named or any(key in wanted.meta for key in UIDS))
        for item in of_uids(self.list(), wanted_uids(wanted)) if by_uid else ():
            found = True
            yield item
        if not found:
            raise DianaError(Reason.ITEM_NOT_FOUND, "is not a DICOM member of the ZIP file, by name or UID")

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Write a new file. It is there once the last item is taken, or whoever takes them has had enough of them.

        Members are named by number (PS3.12 Annex V). Raises DianaError ITEM_EXISTS if the file is there already,
        or is when the last item is taken; and OSError.
        """
        if not self._settings.replace and self._settings.path.exists():
            raise DianaError(Reason.ITEM_EXISTS, "the ZIP file is there already: set `replace: true`, or take another")
        self.close()
        self._open = None
        with ZipWriter(self._settings.path, self._settings.replace) as writer:
            yield from each(items, partial(_added, writer))

    def _of_name(self, name: str) -> Iterator[Item]:
        return (item for item in self.list() if item.meta["path"] == name)

    def _archive(self) -> zipfile.ZipFile:
        if self._open is None:
            _check_directory(self._settings)
            try:
                self._open = zipfile.ZipFile(self._settings.path)
            except _UNREADABLE as error:
                raise invalid_field("path", "is not a ZIP file that can be read") from error
        return self._open

    def _examine(self, info: zipfile.ZipInfo, number: int) -> Item | None:
        meta = {"id": info.filename, "path": info.filename, "size_bytes": info.file_size}
        item = Item(meta, number=number)
        if info.flag_bits & _ENCRYPTED:
            item.failure = unreadable("an encrypted member")
            return item
        if info.compress_type not in _METHODS:
            item.failure = unreadable("a member compressed otherwise than PS3.12 Annex V allows")
            return item
        content = _Member(self._archive(), info, self._budget)
        try:
            with self._archive().open(info) as stream:
                if not is_part10(stream.read(PREAMBLE)):
                    self.passed_over["files that are not DICOM"] += 1
                    return None
        except _UNREADABLE:
            item.failure = unreadable("a member of the ZIP file")
            return item
        item.content = content
        return item


def _added(writer: ZipWriter, item: Item) -> str:
    name = writer.add(item)
    item.meta |= {"id": name, "path": name}
    return "stored"


class _Budget:
    """What all members of one file may still inflate to."""

    def __init__(self, settings: ZipSettings) -> None:
        self._left = settings.max_total_bytes
        self._ratio = settings.max_ratio
        self._lock = Lock()

    def spend(self, info: zipfile.ZipInfo, read: int, total: int) -> None:
        """Count `read` more bytes of a member that has yielded `total` so far. Raises DianaError INSTANCE_TOO_LARGE."""
        if total > _RATIO_FROM and total > self._ratio * max(info.compress_size, 1):
            raise DianaError(
                Reason.INSTANCE_TOO_LARGE, "a member of the ZIP file inflates beyond the limit on its ratio"
            )
        with self._lock:
            self._left -= read
            if self._left < 0:
                raise DianaError(Reason.INSTANCE_TOO_LARGE, "the ZIP file inflates beyond the limit on its total size")


_RATIO_FROM = 64 * 1024 * 1024
"""A blank image deflates to a thousandth; only what is large as well is suspect."""


@dataclass(frozen=True, slots=True)
class _Member:
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo
    budget: _Budget

    @property
    def size(self) -> int:
        return self.info.file_size

    def open(self) -> BinaryIO:
        try:
            stream = self.archive.open(self.info)
        except _UNREADABLE as error:
            raise _damaged() from error
        return io.BufferedReader(_Metered(self, stream))


class _Metered(io.RawIOBase):
    """A member's stream that counts what comes out of it."""

    def __init__(self, member: _Member, stream: IO[bytes]) -> None:
        self._member = member
        self._stream = stream
        self._total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        try:
            piece = self._stream.read(min(len(view), CHUNK))
        except _UNREADABLE as error:
            raise _damaged() from error
        self._total += len(piece)
        self._member.budget.spend(self._member.info, len(piece), self._total)
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _damaged() -> DianaError:
    return DianaError(Reason.DATA_SET_TRUNCATED, "a member of the ZIP file is damaged")


def _check_directory(settings: ZipSettings) -> None:
    """Refuse a directory that is too large before `zipfile` reads it into memory."""
    try:
        count, size = _directory(settings.path)
    except (OSError, struct.error, ValueError) as error:
        raise invalid_field("path", "is not a ZIP file that can be read") from error
    if count > settings.max_members or size > settings.max_directory_bytes:
        raise DianaError(Reason.DATA_SET_LIMIT, "the ZIP file has more members than the limit allows")


def _directory(path: Path) -> tuple[int, int]:
    """Number of entries and size in bytes of the central directory, as the end record tells them."""
    with path.open("rb") as stream:
        start = max(stream.seek(0, 2) - 22 - 65535 - 20, 0)
        stream.seek(start)
        tail = stream.read()
        end = tail.rfind(_END)
        if end < 0:
            raise invalid_field("path", "is not a ZIP file that can be read")
        count, size = struct.unpack_from("<HI", tail, end + 10)
        if count == 0xFFFF or size == 0xFFFFFFFF:
            locator = tail.rfind(_END64, 0, end)
            (offset,) = struct.unpack_from("<Q", tail, locator + 8)
            stream.seek(offset)
            count, size = struct.unpack_from("<QQ", stream.read(56), 32)
    return int(count), int(size)


KIND = Kind(ZipSettings, Zip, setting="path", reads_through=True)
