"""A directory of this host, looked at again and again: network folders tell nobody what happens in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_common.fence import Place
from diana_common.zips import is_zip
from diana_route.adapters.contents import HEAD_BYTES, SMALL, FileReader, members, status_of, unreadable
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

    def look(self, found: Callable[[str, Status], None]) -> Looked:
        """See core.files.Folder."""
        try:
            root = self._root.stat()
            look = Look(self._root, self._layout, found)
        except OSError as error:
            text = f"The folder cannot be read ({error.strerror})."
            raise DianaError(Reason.SOURCE_NOT_FOUND, text) from None
        look.walk()
        return Looked((root.st_dev, root.st_ino), look.unread, look.trouble)

    def status(self, path: str) -> Status:
        """See core.files.Folder."""
        try:
            found = self._place(path).status()
        except OSError:
            raise _gone() from None
        if not stat.S_ISREG(found.st_mode):
            raise _gone()
        return Status(found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def parts(self, item: FileItem) -> Iterator[Part]:
        """See core.files.Folder."""
        descriptor = self._open_item(item)
        try:
            size = status_of(descriptor).size
            data = os.pread(descriptor, size if size <= SMALL else HEAD_BYTES, 0)
            if is_zip(data[:HEAD_BYTES]):
                yield from members(descriptor, lambda: self._open_item(item))
            elif data[128:132] != b"DICM":
                error = DianaError(Reason.NOT_PART10, "The file is neither a DICOM file nor a zip.")
                yield Part("", size, error)
            else:
                yield Part("", size, data if size <= SMALL else lambda: FileReader(self._open_item(item)))
            if status_of(descriptor).stamp != item.stamp:
                raise _replaced()
        except OSError as error:
            raise unreadable(error) from None
        finally:
            os.close(descriptor)

    def remove(self, item: FileItem) -> None:
        """See core.files.Folder."""
        place = self._place(item.path)
        try:
            there = place.status()
            if Status(there.st_size, there.st_mtime_ns, there.st_ctime_ns).stamp != item.stamp:
                raise _replaced()
            folder = place.folder.open_folder()
            try:
                os.unlink(place.parts[-1], dir_fd=folder)
            finally:
                os.close(folder)
        except _ABSENT:
            return
        except OSError as error:
            text = f"The file cannot be removed ({error.strerror})."
            raise DianaError(Reason.PATH_FORBIDDEN, text) from None

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
            raise _gone() from None
        except OSError as error:
            raise unreadable(error) from None
        if descriptor is None:
            raise _gone()
        return descriptor

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
