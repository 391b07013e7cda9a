"""A directory of this host, looked at again and again: network folders tell nobody what happens in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_common.fence import Place
from diana_common.zips import is_zip
from diana_route.adapters.contents import HEAD_BYTES, SMALL, FileReader, members, read_status, status_of, unreadable
from diana_route.adapters.looking import Look
from diana_route.core.files import Looked, Part
from diana_route.core.folders import Status, from_text
from diana_route.core.model import FileItem

_ABSENT = (FileNotFoundError, NotADirectoryError)


class HostFolder:
    """core.files.Folder for a directory."""

    def __init__(self, path: Path, layout: str = "") -> None:
        """Directories that lead nowhere according to the layout are not looked into."""
        self._root = Path(os.path.realpath(path))
        self._layout = layout
        self._known: tuple[int, int] | None = None
        with suppress(OSError):
            self._known = self._identity()

    def look(self, found: Callable[[str, Status], None]) -> Looked:
        """See core.files.Folder."""
        try:
            root = self._identity()
            look = Look(self._root, self._layout, found)
        except OSError as error:
            text = f"The folder cannot be read ({error.strerror})."
            raise DianaError(Reason.SOURCE_NOT_FOUND, text) from None
        self._known = self._known or root
        look.walk()
        if not self._is_still(root):
            raise DianaError(Reason.SOURCE_NOT_FOUND, "The folder went away while it was looked at.")
        return Looked(root, look.unread, look.trouble, look.empty)

    def status(self, path: str) -> Status:
        """See core.files.Folder."""
        try:
            found = self._place(path).status()
        except _ABSENT:
            raise self._absent() from None
        except OSError as error:
            raise unreadable(error) from None
        if not stat.S_ISREG(found.st_mode):
            raise _gone()
        return read_status(found)

    def parts(self, item: FileItem) -> Iterator[Part]:
        """See core.files.Folder."""
        descriptor = self._open_item(item)
        try:
            for part in self._read(descriptor, item):
                if status_of(descriptor).stamp != item.stamp:
                    raise _replaced()
                yield part
            if status_of(descriptor).stamp != item.stamp:
                raise _replaced()
        except OSError as error:
            raise unreadable(error) from None
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, item: FileItem) -> Iterator[Part]:
        size = status_of(descriptor).size
        data = os.pread(descriptor, size if size <= SMALL else HEAD_BYTES, 0)
        if is_zip(data[:HEAD_BYTES]):
            yield from members(descriptor, lambda: self._open_item(item))
        elif data[128:132] != b"DICM":
            yield Part("", size, DianaError(Reason.NOT_PART10, "The file is neither a DICOM file nor a zip."))
        else:
            yield Part("", size, data if size <= SMALL else lambda: FileReader(self._open_item(item)))

    def remove(self, item: FileItem, read: Status) -> None:
        """See core.files.Folder."""
        place = self._place(item.path)
        try:
            folder = place.folder.open_folder()
            try:
                there = read_status(os.stat(place.parts[-1], dir_fd=folder, follow_symlinks=False))
                if there.stamp != item.stamp:
                    raise _replaced()
                if there != read:
                    raise DianaError(Reason.PATH_FORBIDDEN, "The file is not the one that was read; it is read again.")
                os.unlink(place.parts[-1], dir_fd=folder)
            finally:
                os.close(folder)
        except _ABSENT:
            if not self._is_still(self._known):
                raise self._absent() from None
        except OSError as error:
            text = f"The file cannot be removed ({error.strerror})."
            raise DianaError(Reason.PATH_FORBIDDEN, text) from None

    def remove_empty(self, path: str) -> None:
        """See core.files.Folder. Who puts something there at this moment wins."""
        with suppress(OSError, DianaError):
            place = self._place(path)
            folder = place.folder.open_folder()
            try:
                os.rmdir(place.parts[-1], dir_fd=folder)
            finally:
                os.close(folder)

    def _open_item(self, item: FileItem) -> int:
        """A descriptor of the file as it was when the item was made."""
        descriptor = self._open(item.path)
        if status_of(descriptor).stamp != item.stamp:
            os.close(descriptor)
            raise _replaced()
        return descriptor

    def _open(self, path: str) -> int:
        try:
            descriptor = self._place(path).open_file()
        except _ABSENT:
            raise self._absent() from None
        except OSError as error:
            raise unreadable(error) from None
        if descriptor is None:
            raise _gone()
        return descriptor

    def _absent(self) -> DianaError:
        """What it means that nothing is there: it is gone, unless the folder itself is."""
        if self._is_still(self._known):
            return _gone()
        return DianaError(Reason.PATH_FORBIDDEN, "The folder is away: nothing, or another directory, is in its place.")

    def _is_still(self, root: tuple[int, int] | None) -> bool:
        """Whether the directory is the one it was: where no network folder is mounted, another one is."""
        try:
            return self._identity() == root
        except OSError:
            return False

    def _identity(self) -> tuple[int, int]:
        root = self._root.stat()
        return root.st_dev, root.st_ino

    def _place(self, path: str) -> Place:
        parts = tuple(from_text(path).split("/"))
        if any(part in ("", os.curdir, os.pardir) or "\0" in part for part in parts):
            raise _gone()
        return Place(self._root, parts)


def _gone() -> DianaError:
    return DianaError(Reason.SOURCE_NOT_FOUND, "The file is not there.")


def _replaced() -> DianaError:
    text = "The file is not as it was any more: another one took its place, or somebody wrote to it."
    return DianaError(Reason.SOURCE_NOT_FOUND, text)
