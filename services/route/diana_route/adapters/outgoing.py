"""Folders that instances are written into: STUDY/SERIES/SOP-INSTANCE.dcm, each there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from diana_common.attempts import Postponed, Refused, Unreachable
from diana_common.dicom.limits import DEFAULT_LIMITS
from diana_common.dicom.read import file_meta
from diana_common.dicom.source import ReadSource
from diana_common.errors import DianaError, Reason
from diana_common.state_files import sync_directory

_UID = re.compile(r"(?=.*[0-9])[0-9.]{1,64}")
_PIECE = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)
_IN_THE_WAY = (errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.ENXIO)
"""What stands at one instance's place only: a link, a pipe, a file for a directory and the other way round."""

_PLACING: dict[Path, threading.Lock] = {}
"""By folder, which several rules may write into: whose name it is is seen and taken by one at a time."""


class OutgoingFolder:
    """Such a folder. Safe to share between threads."""

    def __init__(self, path: str, roots: Sequence[Path]) -> None:
        """`path` lies below one of the directories that are open for this. Raises DianaError PATH_FORBIDDEN."""
        self._path, self._roots = Path(path), [root.resolve() for root in roots]
        self._placing = _PLACING.setdefault(self._path.resolve(), threading.Lock())
        if not self._path.is_absolute() or not self._is_open(self._path):
            raise DianaError(Reason.PATH_FORBIDDEN, "The folder does not lie below one that the configuration opens.")

    def holds(self, uids: tuple[str, str, str], size: int, data_set_sha256: bytes) -> bool:
        """Whether there is a file of that size, and its data set has that digest. Raises Failed.

        `uids` are those of study, series and instance.
        """
        with self._writable():
            return any(_found(place) == (size, data_set_sha256) for place in self._places(uids, data_set_sha256))

    def write(self, uids: tuple[str, str, str], data_set_sha256: bytes, token: str, data: Iterable[bytes]) -> None:
        """Write a file, which is durable when this returns. Raises Failed, and what `data` raises.

        Another data set of that instance is never replaced: then the file is `INSTANCE.DIGEST8.dcm`, by the first
        eight hexadecimal digits of its own digest.
        `token` tells writers from one another: what one left unfinished, the next of the same token replaces.
        """
        with self._writable():
            places = self._places(uids, data_set_sha256)
            path = places[0]
            self._make(path.parent)
            part = path.with_name(f".{path.stem}.{token}.part")
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
                descriptor = os.open(part, flags, 0o666)
                with open(descriptor, "wb", buffering=0) as file:
                    for piece in data:
                        _write_all(file.fileno(), piece)
                    os.fsync(file.fileno())
                with self._placing:
                    part.replace(_free(places, data_set_sha256))
            finally:
                part.unlink(missing_ok=True)
            sync_directory(path.parent)

    def _places(self, uids: tuple[str, str, str], data_set_sha256: bytes) -> tuple[Path, Path]:
        """The name of an instance's file, and what it is called where that name is another data set's."""
        if not all(map(_UID.fullmatch, uids)):
            raise Refused("an instance is named by something that is no UID")
        study_uid, series_uid, sop_instance_uid = uids
        first = self._path / study_uid / series_uid / f"{sop_instance_uid}.dcm"
        return first, first.with_name(f"{sop_instance_uid}.{data_set_sha256.hex()[:8]}.dcm")

    def _make(self, directory: Path) -> None:
        """The folder itself is never made: where it is missing, a disk may not be mounted."""
        if not self._path.is_dir():
            raise Unreachable("the folder is not there")
        if not self._is_open(directory):
            raise Refused("a link leads out of the folders that the configuration opens")
        for one in (directory.parent, directory):
            if not one.is_dir():
                one.mkdir(exist_ok=True)
                sync_directory(one.parent)

    def _is_open(self, path: Path) -> bool:
        return any(path.resolve().is_relative_to(root) for root in self._roots)

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise Postponed("the folder's disk is full") from error
            if error.errno in _IN_THE_WAY and self._path.is_dir():
                raise Refused("something else than a file bears an instance's name in the folder") from error
            raise Unreachable(f"the folder cannot be used ({errno.errorcode.get(error.errno or 0, 'EIO')})") from error


def _free(places: Iterable[Path], data_set_sha256: bytes) -> Path:
    """The first of the names that no other data set has. Raises Refused if there is none."""
    for place in places:
        found = _found(place)
        if found is None or found[1] in (b"", data_set_sha256):
            return place
    raise Refused("other data sets bear both of an instance's names in the folder")


def _found(path: Path) -> tuple[int, bytes] | None:
    """Size and data set digest of a file; None if there is none. Raises OSError for what is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ENXIO, "no file")
        return status.st_size, _digest(descriptor, status.st_size)
    finally:
        os.close(descriptor)


def _digest(descriptor: int, size: int) -> bytes:
    """SHA-256 of what follows File Meta; of nothing where there is none."""
    source = ReadSource(lambda offset, count: os.pread(descriptor, count, offset), size, DEFAULT_LIMITS)
    try:
        offset = file_meta(source).offset
    except DianaError:
        return b""
    digest = hashlib.sha256()
    while piece := os.pread(descriptor, _PIECE, offset):
        digest.update(piece)
        offset += len(piece)
    return digest.digest()


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
