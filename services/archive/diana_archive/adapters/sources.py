"""Folders, zip files, DICOMDIRs and single files of this host, as sources of an import."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from diana_archive.adapters.dicomdirs import MOST_DICOMDIR_BYTES, is_dicomdir, listed_files
from diana_archive.adapters.folders import walk
from diana_archive.adapters.reading import FileReader, shown, stamp
from diana_archive.adapters.zips import members
from diana_archive.core.importing import Found, ImportSource, Key
from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.fence import Fence, Place, forbidden, missing
from diana_common.zips import is_zip

_ZIP_HEAD_BYTES = 132
_FILE_META_BYTES = 1024**2


class HostSources:
    """core.importing.ImportSources for the directories that are open."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._fence = Fence(directories)

    def open(self, path: str) -> ImportSource:
        """See core.importing.ImportSources."""
        if not Path(path).is_absolute() or "\0" in path:
            raise invalid_field("path", "is not an absolute path")
        place = self._fence.place(path)
        try:
            mode = place.status().st_mode
        except OSError as error:
            raise missing() from error
        if stat.S_ISDIR(mode):
            return FolderSource(self._fence, place)
        if stat.S_ISREG(mode):
            return FileSource(self._fence, place)
        raise missing()


@dataclass(frozen=True)
class FolderSource:
    """A folder with all below it; zip files are opened, a DICOMDIR is not: its files are there."""

    fence: Fence
    place: Place

    def files(self, after: Key) -> Generator[Found, None, None]:
        """See core.importing.ImportSource."""
        for entry in walk(self.fence, self.place, after):
            if isinstance(entry.what, DianaError):
                yield Found(shown(entry.key), entry.key, entry.what)
            else:
                yield from self._contents(entry.what, entry.key, after)

    def _contents(self, place: Place, key: Key, after: Key) -> Iterator[Found]:
        """The file itself; of a zip file its members."""
        name = shown(key)
        try:
            descriptor = place.open_file()
        except OSError:
            yield Found(name, key, missing())
            return
        if descriptor is None:
            yield Found(name, key, None)
            return
        try:
            if is_zip(_head(descriptor, _ZIP_HEAD_BYTES)):
                yield from _members(descriptor, name, key, after)
            elif key > after:
                yield Found(name, key, FileReader(descriptor))
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class FileSource:
    """A zip file, a DICOMDIR, or a single Part 10 file."""

    fence: Fence
    place: Place

    def files(self, after: Key) -> Generator[Found, None, None]:
        """See core.importing.ImportSource."""
        try:
            descriptor = self.place.open_file()
        except OSError as error:
            raise missing() from error
        if descriptor is None:
            raise missing()
        try:
            yield from self._contents(descriptor, after)
        finally:
            os.close(descriptor)

    def _contents(self, descriptor: int, after: Key) -> Iterator[Found]:
        head = _head(descriptor, _FILE_META_BYTES)
        key = (stamp(descriptor),)
        if is_zip(head):
            yield from members(descriptor, "", (), after)
        elif is_dicomdir(head):
            for number, parts in enumerate(listed_files(_read_dicomdir(descriptor))):
                listed = (*key, f"{number:08d}")
                if listed > after:
                    yield from self._listed(parts, listed)
        elif head[128:132] != b"DICM":
            raise DianaError(Reason.CONTAINER_INVALID, "The file is no zip file, no DICOMDIR and no DICOM file.")
        elif key > after:
            yield Found(shown(self.place.parts[-1:]), key, FileReader(descriptor))

    def _listed(self, parts: tuple[str, ...], key: Key) -> Iterator[Found]:
        """A file that the DICOMDIR lists."""
        try:
            descriptor = self._open_listed(parts)
        except DianaError as error:
            yield Found(shown(parts), key, error)
            return
        if descriptor is None:
            yield Found(shown(parts), key, None)
            return
        try:
            yield Found(shown(parts), key, FileReader(descriptor))
        finally:
            os.close(descriptor)

    def _open_listed(self, parts: tuple[str, ...]) -> int | None:
        """Below the DICOMDIR's own folder; in lower case too, as some systems show the names on a disc."""
        if not all(_is_name(part) for part in parts):
            raise forbidden()
        for names in (parts, tuple(part.lower() for part in parts)):
            try:
                return self.fence.place(self.place.folder.path.joinpath(*names)).open_file()
            except OSError:
                continue
        raise missing()


def _is_name(part: str) -> bool:
    return part not in ("", os.curdir, os.pardir) and "/" not in part and "\0" not in part


def _members(descriptor: int, name: str, key: Key, after: Key) -> Iterator[Found]:
    """The members; of a zip file that cannot be read as a whole, why."""
    try:
        yield from members(descriptor, name, key, after)
    except DianaError as error:
        yield Found(name, key, error)


def _head(descriptor: int, size: int) -> bytes:
    try:
        return os.pread(descriptor, size, 0)
    except OSError:
        return b""  # whoever reads it finds out why


def _read_dicomdir(descriptor: int) -> bytes:
    if os.fstat(descriptor).st_size > MOST_DICOMDIR_BYTES:
        raise DianaError(Reason.CONTAINER_LIMIT, "The DICOMDIR is larger than 64 MiB.")
    with open(descriptor, "rb", closefd=False) as file:
        try:
            return file.read(MOST_DICOMDIR_BYTES)
        except OSError as error:
            raise missing() from error
