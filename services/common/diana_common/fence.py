"""Paths of this host that may be read, and no others, whatever symbolic links and racing writers do."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diana_common.errors import DianaError, Reason

_THROUGH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Place:
    """A path below one of the directories, without symbolic links when it was looked up."""

    root: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The whole of it."""
        return self.root.joinpath(*self.parts)

    @property
    def folder(self) -> Place:
        """Where it lies; the directory itself, at the top."""
        return Place(self.root, self.parts[:-1])

    def child(self, name: str) -> Place:
        """An entry of this folder."""
        return Place(self.root, (*self.parts, name))

    def status(self) -> os.stat_result:
        """What it is now, links not followed. Raises OSError."""
        return os.lstat(self.path)

    def open_folder(self) -> int:
        """A descriptor for listing it. Raises OSError."""
        return self._open(_FOLDER)

    def open_file(self) -> int | None:
        """A descriptor of a regular file; None when it is something else. Raises OSError."""
        if not stat.S_ISREG(self.status().st_mode):
            return None  # not even opened: that alone may stir a device
        descriptor = self._open(_FILE)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        return None

    def _open(self, flags: int) -> int:
        """Opened component by component: a link that was put in the way meanwhile is not followed."""
        if not self.parts:
            return os.open(self.root, flags)
        folder = os.open(self.root, _THROUGH)
        try:
            for part in self.parts[:-1]:
                deeper = os.open(part, _THROUGH, dir_fd=folder)
                os.close(folder)
                folder = deeper
            return os.open(self.parts[-1], flags, dir_fd=folder)
        finally:
            os.close(folder)


class Fence:
    """The directories that are open."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories

    def place(self, path: str | Path) -> Place:
        """Where an absolute path leads. Raises DianaError PATH_FORBIDDEN, whether or not anything is there."""
        real = Path(os.path.realpath(path))
        for directory in self._directories:
            root = Path(os.path.realpath(directory))
            if real.is_relative_to(root):
                return Place(root, real.relative_to(root).parts)
        raise forbidden()


def forbidden() -> DianaError:
    """PATH_FORBIDDEN."""
    return DianaError(Reason.PATH_FORBIDDEN, "The path leads out of the directories that the configuration opens.")


def missing() -> DianaError:
    """SOURCE_NOT_FOUND: for what is not there, and for what may not be read."""
    return DianaError(Reason.SOURCE_NOT_FOUND, "Nothing that can be read is there.")
