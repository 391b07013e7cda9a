"""What is in a file: an instance, or a zip's members; small ones in memory, of others what opens them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import PurePosixPath

from diana_common.errors import DianaError, Reason
from diana_common.zips import Member, MemberReader, ZipContainer, is_zip
from diana_route.core.files import Part
from diana_route.core.folders import Status, is_passed_over

SMALL = 4 * 1024 * 1024
"""Bytes: so much of an instance is held in memory."""

HEAD_BYTES = 132
"""Enough to tell a Part 10 file and a zip."""

_CLASS_BYTES = 512
"""Enough to tell a DICOMDIR."""

_DICOMDIR = b"\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10"
"""Media Storage SOP Class UID: Media Storage Directory Storage, as PS3.10 has it encoded."""

_OF_A_DISC = frozenset(
    {".bat", ".bmp", ".chm", ".css", ".db", ".dll", ".exe", ".gif", ".htm", ".html", ".ico", ".inf", ".ini", ".jar"}
)
"""What comes with the viewer on a disc, where it is no instance by its content."""

_Open = Callable[[], int]


def read_status(found: os.stat_result) -> Status:
    """What the system says of a file."""
    return Status(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def status_of(descriptor: int) -> Status:
    """How an open file is now."""
    return read_status(os.fstat(descriptor))


def unreadable(error: OSError) -> DianaError:
    """PATH_FORBIDDEN: for what is there, and may be read another time."""
    return DianaError(Reason.PATH_FORBIDDEN, f"The file cannot be read ({error.strerror}).")


def members(descriptor: int, open_again: _Open) -> Iterator[Part]:
    """A zip's members. Raises DianaError CONTAINER_INVALID, CONTAINER_LIMIT before anything is inflated."""
    container, again = ZipContainer(descriptor), ReopenedZip(open_again)
    try:
        for number, member in enumerate(container.members(), 1):
            yield _member(container, member, f"member {number}", again)
    finally:
        again.leave()


def _member(container: ZipContainer, member: Member, label: str, again: ReopenedZip) -> Part:
    """What it is, its content tells: a name says at most that nobody misses it if it is no instance."""
    path = PurePosixPath(member.name.replace("\\", "/"))
    try:
        with closing(container.open(member.number)) as stream:
            head = stream.read(_CLASS_BYTES)
            is_dicom = head[128:132] == b"DICM"
            is_inner = is_zip(head) and path.suffix.lower() != ".jar"
            if _DICOMDIR in head[HEAD_BYTES:] if is_dicom else _is_companion(path) and not is_inner:
                return Part(label, member.size, None)
            if is_inner:
                error = DianaError(Reason.CONTAINER_INVALID, "It is a zip within a zip; those are not opened.")
                return Part(label, member.size, error)
            if not is_dicom:
                return Part(label, member.size, DianaError(Reason.NOT_PART10, "It is no DICOM file."))
            if member.size > SMALL:
                return Part(label, member.size, lambda: again.open(member.number))
            return Part(label, member.size, head + _rest(stream))
    except DianaError as error:
        return Part(label, member.size, error)


def _rest(stream: MemberReader) -> bytes:
    pieces = []
    while piece := stream.read(SMALL):
        pieces.append(piece)
    return b"".join(pieces)


def _is_companion(path: PurePosixPath) -> bool:
    return path.suffix.lower() in _OF_A_DISC or any(map(is_passed_over, path.parts))


class FileReader:
    """core.files.Reader over a descriptor of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = status_of(descriptor).stamp

    def read(self, size: int, /) -> bytes:
        """See core.files.Reader."""
        try:
            data = os.read(self._descriptor, size)
        except OSError as error:
            raise unreadable(error) from None
        if not data and status_of(self._descriptor).stamp != self._begun:
            raise DianaError(Reason.SOURCE_NOT_FOUND, "The file was changed while it was read.")
        return data

    def seek(self, offset: int, /) -> None:
        """See core.files.Reader."""
        os.lseek(self._descriptor, offset, os.SEEK_SET)

    def close(self) -> None:
        """See core.files.Reader."""
        os.close(self._descriptor)


class ReopenedZip:
    """A zip that is opened once more for members that others read, while its own reading goes on or after: its
    directory, which may be long, is read once for all of them. Safe to share between threads.

    It is closed with the last of its users; the first one is whoever made it, who lets go of it by `leave`.
    """

    def __init__(self, open_again: _Open) -> None:
        self._open_again = open_again
        self._lock = threading.Lock()
        self._users = 1
        self._descriptor = -1
        self._container: ZipContainer | None = None

    def open(self, number: int) -> ZipReader:
        """A member. Raises DianaError CONTAINER_INVALID, CONTAINER_LIMIT, and what opening raises."""
        with self._lock:
            self._users += 1
            try:
                return ZipReader(self, self._opened().open(number))
            except BaseException:
                self._let_go()
                raise

    def leave(self, stream: MemberReader | None = None) -> None:
        """One user less, who is done with what it read."""
        with self._lock:
            if stream is not None:
                stream.close()
            self._let_go()

    def _opened(self) -> ZipContainer:
        if self._container is None:
            descriptor = self._open_again()
            try:
                self._container = ZipContainer(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            self._descriptor = descriptor
        return self._container

    def _let_go(self) -> None:
        self._users -= 1
        if not self._users and self._container is not None:
            self._container = None
            os.close(self._descriptor)


class ZipReader:
    """core.files.Reader for a zip's member."""

    def __init__(self, owner: ReopenedZip, stream: MemberReader) -> None:
        self._owner = owner
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """See core.files.Reader."""
        return self._stream.read(size)

    def seek(self, offset: int, /) -> None:
        """See core.files.Reader."""
        self._stream.seek(offset)

    def close(self) -> None:
        """See core.files.Reader."""
        self._owner.leave(self._stream)
