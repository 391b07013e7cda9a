"""Directories of this host that are open for indexing, entry by entry, and the bytes of files in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.fence import Fence, Place, missing
from diana_common.zips import ZipContainer
from diana_index.core.folders.model import MOST_PATH_BYTES, File, Stamp
from diana_index.core.folders.ports import Listed

MOST_SUBDIRECTORIES = 1_000_000
"""Directories in one directory: their names are held in memory."""
PIECE = 1024 * 1024
_CHUNK = 500
_LATEST_NS = 2**63 - 1


class HostTrees:
    """core.folders.ports.Trees for the directories that are open."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._fence = Fence(directories)

    def tree(self, path: str) -> HostTree:
        """See Trees."""
        if not Path(path).is_absolute() or "\0" in path:
            raise invalid_field("path", "is not an absolute path")
        place = self._fence.place(path)
        try:
            if not stat.S_ISDIR(place.status().st_mode):
                raise missing()
        except OSError as error:
            raise missing() from error
        return HostTree(place)

    def contents(self) -> HostContents:
        """See Trees."""
        return HostContents(self._fence)


class HostTree:
    """See core.folders.ports.Tree."""

    def __init__(self, place: Place) -> None:
        self.path = os.fsencode(place.path)
        self.place = place

    @contextmanager
    def open(self, directory: bytes) -> Iterator[DirectoryListing | None]:
        """See Tree."""
        if len(directory) > MOST_PATH_BYTES:
            raise DianaError(Reason.CONTAINER_LIMIT, f"The path is longer than {MOST_PATH_BYTES:,} bytes.")
        try:
            descriptor = below(self.place, directory).open_folder()
        except (FileNotFoundError, NotADirectoryError) as error:
            if not directory:
                raise missing() from error
            yield None
            return
        except OSError as error:
            raise missing() from error
        try:
            yield DirectoryListing(descriptor)
        finally:
            os.close(descriptor)


class DirectoryListing:
    """See core.folders.ports.Listing."""

    def __init__(self, descriptor: int) -> None:
        self.subdirectories: list[bytes] = []
        self._descriptor = descriptor

    def files(self) -> Iterator[list[Listed]]:
        """See Listing. Links, pipes, sockets and devices are none."""
        listed: list[Listed] = []
        try:
            with os.scandir(self._descriptor) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        self._add_subdirectory(os.fsencode(entry.name))
                    elif entry.is_file(follow_symlinks=False) and (stamp := _stamp(entry)):
                        listed.append(Listed(os.fsencode(entry.name), stamp))
                        if len(listed) >= _CHUNK:
                            yield listed
                            listed = []
        except OSError as error:
            raise missing() from error
        if listed:
            yield listed

    def has(self, name: bytes) -> bool:
        """See Listing."""
        try:
            return stat.S_ISREG(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise missing() from error

    def _add_subdirectory(self, name: bytes) -> None:
        if len(self.subdirectories) >= MOST_SUBDIRECTORIES:
            raise DianaError(Reason.CONTAINER_LIMIT, f"The folder has more than {MOST_SUBDIRECTORIES:,} folders.")
        self.subdirectories.append(name)


class HostContents:
    """See core.folders.ports.Contents."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._zip: tuple[bytes, Stamp, int, ZipContainer] | None = None

    def pieces(self, file: File) -> Generator[bytes, None, None]:
        """See Contents."""
        if file.place.number:
            yield from self._member(file)
            return
        descriptor = self._open(file)
        try:
            left = file.stamp.size  # of one that grows no more is read than it had
            while left and (piece := os.read(descriptor, min(left, PIECE))):
                left -= len(piece)
                yield piece
            _check(descriptor, file.stamp)
        except OSError as error:
            raise missing() from error
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """See Contents."""
        if self._zip:
            os.close(self._zip[2])
            self._zip = None

    def _member(self, file: File) -> Iterator[bytes]:
        reader = self._container(file).open(file.place.number - 1)
        try:
            while piece := reader.read(PIECE):
                yield piece
        finally:
            reader.close()

    def _container(self, file: File) -> ZipContainer:
        """The zip file, as it was indexed; the one of the last member, if it is the same."""
        path = file.place.folder + b"/" + file.place.path
        if self._zip and self._zip[:2] == (path, file.stamp):
            return self._zip[3]
        self.close()
        descriptor = self._open(file)
        try:
            container = ZipContainer(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._zip = (path, file.stamp, descriptor, container)
        return container

    def _open(self, file: File) -> int:
        place = self._fence.place(os.fsdecode(file.place.folder))
        if os.fsencode(place.path) != file.place.folder:
            raise missing()
        try:
            descriptor = below(place, file.place.path).open_file()
        except OSError as error:
            raise missing() from error
        if descriptor is None:
            raise missing()
        try:
            _check(descriptor, file.stamp)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def stamp_of(status: os.stat_result) -> Stamp:
    """By what a file is known to be unchanged. Years after 2262 or before 1677 are cut to what a database holds."""
    return Stamp(status.st_size, max(-_LATEST_NS - 1, min(status.st_mtime_ns, _LATEST_NS)))


def below(place: Place, path: bytes) -> Place:
    """What lies at a path below a place; at the place itself, if empty."""
    return Place(place.root, (*place.parts, *(os.fsdecode(part) for part in path.split(b"/") if part)))


def _stamp(entry: os.DirEntry[str]) -> Stamp | None:
    """None for a file that vanished."""
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return stamp_of(status)


def _check(descriptor: int, stamp: Stamp) -> None:
    if stamp_of(os.fstat(descriptor)) != stamp:
        raise DianaError(Reason.CHECKSUM_MISMATCH, "The file was changed since it was indexed.")
