"""A folder and all below it, in one order, without recursion and without going round in circles."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from diana_archive.core.importing import Key
from diana_common.errors import DianaError, Reason
from diana_common.fence import Fence, Place, missing

MOST_IN_A_FOLDER = 1_000_000
"""Entries of one folder: their names are held in memory, to be sorted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that is no folder, or a folder that cannot be read; the key is its path below the start."""

    key: Key
    what: Place | DianaError


def walk(fence: Fence, start: Place, after: Key) -> Iterator[Entry]:
    """All entries whose key is `after`, the beginning of it, or greater. Raises DianaError when there is no start.

    Symbolic links are followed as far as the fence reaches; a folder met again is passed over.
    """
    levels = [_Level((), start, iter(_names(start)))]
    seen = {_identity(_look(fence, start)[1])}
    while levels:
        level = levels[-1]
        name = next(level.names, None)
        if name is None:
            levels.pop()
            continue
        key = (*level.key, name)
        if key < after[: len(key)]:
            continue
        try:
            place, status = _look(fence, level.place.child(name))
            if not stat.S_ISDIR(status.st_mode):
                yield Entry(key, place)
            elif _identity(status) not in seen:
                seen.add(_identity(status))
                levels.append(_Level(key, place, iter(_names(place))))
        except DianaError as error:
            yield Entry(key, error)


@dataclass(frozen=True, slots=True)
class _Level:
    key: Key
    place: Place
    names: Iterator[str]


def _look(fence: Fence, place: Place) -> tuple[Place, os.stat_result]:
    """Where an entry leads, and what is there."""
    try:
        status = place.status()
        if stat.S_ISLNK(status.st_mode):
            place = fence.place(place.path)
            status = place.status()
            if stat.S_ISLNK(status.st_mode):
                raise missing()  # it goes round in circles
    except OSError as error:
        raise missing() from error
    return place, status


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _names(place: Place) -> list[str]:
    try:
        descriptor = place.open_folder()
    except OSError as error:
        raise missing() from error
    names: list[str] = []
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if len(names) >= MOST_IN_A_FOLDER:
                    raise DianaError(Reason.CONTAINER_LIMIT, f"The folder has more than {MOST_IN_A_FOLDER:,} entries.")
                names.append(entry.name)
    except OSError as error:
        raise missing() from error
    finally:
        os.close(descriptor)
    return sorted(names)
