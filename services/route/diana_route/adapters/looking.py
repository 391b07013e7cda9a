"""One look at a directory and all below it, whatever others do there meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from diana_common.fence import Place
from diana_route.core.folders import Status, is_passed_over, leads_on, left_alone, read_layout, to_text

MOST_FILES = 1_000_000
"""Files that one look tells of: what is known of each is held in memory."""

_VANISHED = (FileNotFoundError, NotADirectoryError)


class Look:
    """Goes through a directory, an open directory at a time, in whatever order; links lead nowhere."""

    def __init__(self, root: Path, layout: str, found: Callable[[str, Status], None]) -> None:
        """Reads the directory itself. Raises OSError."""
        self._layout = layout
        self._found = found
        self._count = 0
        self._ahead: list[Place] = []
        self._trouble = ""
        self.unread: list[str] = []
        """Directories that could not be read: what is in them is unknown. "" stands for all."""
        self.empty: dict[str, float] = {}
        """As core.files.Looked."""
        self._levels = len(layout.split("/")) if layout else 0
        self._take(Place(root, ()))

    @property
    def trouble(self) -> str:
        """What is wrong; empty if nothing is."""
        if self._count >= MOST_FILES:
            return f"The folder has more than {MOST_FILES:,} files; move those away that are done with."
        if self.unread:
            return f"{len(self.unread)} directories below the folder cannot be read ({self._trouble})."
        return ""

    def walk(self) -> None:
        """Go through all that lies below."""
        while self._ahead and self._count < MOST_FILES:
            place = self._ahead.pop()
            try:
                self._take(place)
            except _VANISHED:
                continue  # renamed or removed; under another name it is met again
            except OSError as error:
                self._trouble = error.strerror or ""
                self.unread.append(to_text("/".join(place.parts)))
        if self._count >= MOST_FILES:
            self.unread.append("")

    def _take(self, place: Place) -> None:
        descriptor = place.open_folder()
        is_empty = True
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    is_empty = False
                    if not is_passed_over(entry.name):
                        self._meet(place, entry)
            if is_empty and len(place.parts) > self._levels:
                self.empty[to_text("/".join(place.parts))] = _changed(descriptor)
        finally:
            os.close(descriptor)

    def _meet(self, place: Place, entry: os.DirEntry[str]) -> None:
        if entry.is_dir(follow_symlinks=False):
            if leads_on(self._layout, tuple(map(to_text, (*place.parts, entry.name)))):
                self._ahead.append(place.child(entry.name))
            return
        path = to_text("/".join((*place.parts, entry.name)))
        if not entry.is_file(follow_symlinks=False) or left_alone(path) or read_layout(self._layout, path) is None:
            return
        try:
            status = entry.stat(follow_symlinks=False)
        except _VANISHED:
            return
        self._count += 1
        self._found(path, Status(status.st_size, status.st_mtime_ns, status.st_ctime_ns))


def _changed(descriptor: int) -> float:
    """When a directory changed last: its change time nobody can set back, as whoever copies a tree does with others."""
    status = os.fstat(descriptor)
    return max(status.st_mtime, status.st_ctime)
