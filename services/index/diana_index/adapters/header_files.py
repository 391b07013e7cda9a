"""The headers of files and of zip members, for the folder registry. Bounded on hostile ones."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from typing import Any, BinaryIO, cast

from diana_common.errors import DianaError, Reason
from diana_common.fence import missing
from diana_common.header import TagScan
from diana_common.zips import Member, ZipContainer, is_zip
from diana_index.adapters.trees import stamp_of
from diana_index.core.folders.model import Shared
from diana_index.core.folders.registry import Row

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SCAN = TagScan(
    (
        0x00100020,  # Patient ID
        0x00080050,  # Accession Number
        0x0020000D,  # Study Instance UID
        0x0020000E,  # Series Instance UID
        0x00080016,  # SOP Class UID
        0x00080060,  # Modality
        0x00080020,  # Study Date
        0x00081030,  # Study Description
        0x0008103E,  # Series Description
        0x00080018,  # SOP Instance UID
    )
)
_NO_DICOM = (Reason.NOT_PART10, Reason.DICOMDIR_REFUSED)
_LONGEST_VALUE = 256
"""Characters that are kept of a value: 4 times what its VR allows."""
_LONGEST_NAME = 1000
_MOST_FAILURES = 1000
"""Members of one zip file that are told of by name, when they cannot be read."""
_UNKNOWN = -1

Found = Row | tuple[str, DianaError]
"""A row, or the name of what cannot be read and why."""


def read_file(directory: int, name: bytes) -> Iterator[Found]:
    """What becomes of a file of an open directory: nothing if it is gone, or not a regular file (any more)."""
    try:
        descriptor = os.open(name, _FLAGS, dir_fd=directory)
    except FileNotFoundError:
        return
    except OSError:
        yield _shown(name), missing()
        return
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            yield from _read(descriptor, name, status)
    except OSError:
        yield _shown(name), missing()
    finally:
        os.close(descriptor)


def _read(descriptor: int, name: bytes, status: os.stat_result) -> Iterator[Found]:
    size, mtime_ns = stamp_of(status)
    try:
        uid, shared = _scanned(io.FileIO(descriptor, closefd=False), size)
        yield Row(name, 0, "", size, size, mtime_ns, uid, shared, 1, 0)
    except DianaError as error:
        if error.reason not in _NO_DICOM:
            yield _shown(name), error
        elif is_zip(os.pread(descriptor, 132, 0)):
            yield from _read_zip(descriptor, name, status)
        else:
            yield Row(name, 0, "", size, size, mtime_ns, "", None, 0, 1)


def _read_zip(descriptor: int, name: bytes, status: os.stat_result) -> Iterator[Found]:
    """The members, and the zip file itself: first as one of which not all is known, then as it is.

    One with a member that cannot be read stays so: it is read again next time, and told of.
    """
    size, mtime_ns = stamp_of(status)
    yield Row(name, 0, "", size, size, _UNKNOWN, "", None, 0, 0)
    dicom = skipped = failed = 0
    try:
        container = ZipContainer(descriptor)
        for member in container.members():
            try:
                uid, shared = _member(container, member)
            except DianaError as error:
                if error.reason in _NO_DICOM:
                    skipped += 1
                    continue
                failed += 1
                yield f"{_shown(name)}!{_clean(member.name)}" if failed <= _MOST_FAILURES else "", error
            else:
                dicom += 1
                number, shown = member.number + 1, _clean(member.name)
                yield Row(name, number, shown, member.size, size, mtime_ns, uid, shared, 0, 0)
    except DianaError as error:
        failed += 1
        yield _shown(name), error
    yield Row(name, 0, "", size, size, _UNKNOWN if failed else mtime_ns, "", None, dicom, skipped)


def _member(container: ZipContainer, member: Member) -> tuple[str, Shared]:
    with closing(container.open(member.number)) as reader:
        return _scanned(cast(BinaryIO, reader), member.size)


def _scanned(file: Any, size: int) -> tuple[str, Shared]:
    """SOP Instance UID and the other values."""
    *values, uid = map(_clipped, _SCAN.read_file(file, size))
    return uid, Shared(*values)


def _clipped(value: str | None) -> str:
    """A value as a registry can keep it: not too long, without NUL and without halves of surrogate pairs."""
    if not value:
        return ""
    value = value[:_LONGEST_VALUE].strip(" ")
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _clean(name: str) -> str:
    """A member's name for people."""
    return name[:_LONGEST_NAME].replace("\0", "\ufffd").encode("utf-8", "backslashreplace").decode()
