"""Files below a folder, whatever they are; whether a folder or file can be used."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from diana_common.errors import DianaError, invalid_field
from diana_endpoints.failures import unreadable
from diana_endpoints.items import Failure
from diana_endpoints.protocol.endpoint import Health


def files_below(root: Path, place: Path, passed_over: Counter[str], *, links: bool = False) -> Iterator[Path | Failure]:
    """Regular files below `place`, relative to `root`, while they are found; a Failure for a folder that is unreadable.

    Links to folders are not followed; with `links`, those to files within `root` are. What is passed over is counted.
    No names are held. Raises DianaError INVALID_FIELD if `root` is no folder.
    """
    if not root.is_dir():
        raise invalid_field("path", "is not a folder that can be read")
    pending = [place] if place.is_dir() and not place.is_symlink() else []
    while pending:
        try:
            entries = os.scandir(pending.pop())
        except OSError:
            yield unreadable("a folder")
            continue
        with entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                elif _is_file(entry, root if links else None):
                    yield path.relative_to(root)
                else:
                    passed_over["links, and special files"] += 1


def inside(root: Path, name: str) -> Path | None:
    """The regular file of a name relative to a folder; None where that is none, a link, or outside."""
    path = root / name
    if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return None
    return path


def folder_health(root: Path, *, may_be_made: bool) -> Health:
    """Whether a folder can be read; one that is not there is well if it may be made."""
    if may_be_made and not root.exists():
        return Health(True, "no folder yet")
    try:
        with os.scandir(root):
            return Health(True, "a folder that can be read")
    except OSError as error:
        return Health(False, f"cannot be read ({error.strerror})")


def file_health(path: Path, describe: Callable[[], str]) -> Health:
    """Whether a file can be read, and what `describe` says of it; one that is not there is well if it can be made."""
    try:
        if not path.exists():
            return Health(os.access(path.parent, os.W_OK), "no file yet")
        return Health(True, describe())
    except DianaError as error:
        return Health(False, error.message)
    except OSError as error:
        return Health(False, f"cannot be read ({error.strerror})")


def _is_file(entry: os.DirEntry[str], root: Path | None) -> bool:
    """A regular file, or with a root, a link to one within it."""
    if not entry.is_symlink():
        return entry.is_file(follow_symlinks=False)
    if root is None:
        return False
    try:
        return entry.is_file() and Path(entry.path).resolve().is_relative_to(root)
    except OSError:
        return False
