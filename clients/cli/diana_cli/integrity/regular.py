"""Reading what may be no file: a pipe, a device or a link put in its place neither stops nor deceives the reader."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Of a pipe, not to wait for whoever writes; bytes as they are, where that is to be said."""


class NotRegular(OSError):
    """There is something else than a regular file."""


def open_regular(path: Path) -> BufferedReader:
    """A regular file's bytes. Of a pipe nobody is waited for. Raises NotRegular, OSError."""
    descriptor = os.open(path, os.O_RDONLY | _AT_ONCE)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise NotRegular(0, "is no regular file")


def linked_part(site: Path, path: str) -> str:
    """The first part of a path below `site` that is a link, and so stands for something else; empty if none is."""
    place = site
    for part in Path(path).parts:
        place /= part
        if place.is_symlink():
            return place.relative_to(site).as_posix()
    return ""
