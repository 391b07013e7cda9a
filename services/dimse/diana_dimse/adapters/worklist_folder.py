"""A folder of worklist files, as DCMTK's wlmscpfs and Orthanc's worklist plugin take them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError, Reason
from diana_common.header import Limits, scan_elements

_SUFFIXES = (".wl", ".dcm")
_MOST_FILES = 5000
_MOST_FILE_BYTES = 256 * 1024
_MOST_BYTES = 32 * 1024 * 1024
"""Of all files that are held together."""

_LIMITS = Limits(max_depth=16, max_elements=20_000)

_Place = tuple[str, str]
"""A folder within the folder, empty for the folder itself, and a file's name."""

_Version = tuple[int, int, int]
"""Inode, modification time in nanoseconds, and size: what is the same has not changed."""


@dataclass(frozen=True, slots=True)
class _Held:
    version: _Version
    item: bytes | None
    """Its DICOM JSON; None for a file that is left out."""


class WorklistFolder:
    """The core's `Worklist`: the folder's files, and those of its folder named as the AE title that is called.

    Files are read again when they change; one that is no worklist file is left out, and reported once. Safe to share.
    """

    def __init__(self, directory: Path, on_skipped: Callable[[str], None]) -> None:
        """`on_skipped` hears why a file is left out; not which, for names of files may tell of patients."""
        self._directory, self._on_skipped = directory, on_skipped
        self._lock = threading.Lock()
        self._held: dict[_Place, _Held] = {}
        self._is_full = False

    def items(self, title: str) -> Iterator[DataSetJson]:
        """What the files hold now. Raises DianaError SOURCE_NOT_FOUND where the folder cannot be read."""
        with self._lock:
            self._refresh()
            found = [one.item for (folder, _), one in self._held.items() if folder in ("", title)]
        return (json.loads(item) for item in found if item is not None)

    def _refresh(self) -> None:
        held: dict[_Place, _Held] = {}
        size, is_full = 0, False
        for place, version in _files(self._directory):
            size += min(version[2], _MOST_FILE_BYTES)
            is_full = len(held) == _MOST_FILES or size > _MOST_BYTES
            if is_full:
                break
            known = self._held.get(place)
            held[place] = known if known and known.version == version else self._read(place, version)
        if is_full and not self._is_full:
            self._on_skipped("TOO_MANY")
        self._held, self._is_full = held, is_full

    def _read(self, place: _Place, version: _Version) -> _Held:
        try:
            if version[2] > _MOST_FILE_BYTES:
                raise DianaError(Reason.DATA_SET_LIMIT, "The file is too large.")
            return _Held(version, scan_elements(self._directory.joinpath(*place).read_bytes(), _LIMITS))
        except (DianaError, OSError) as error:
            self._on_skipped(error.reason.name if isinstance(error, DianaError) else type(error).__name__)
            return _Held(version, None)


def _files(directory: Path) -> Iterator[tuple[_Place, _Version]]:
    """The worklist files of a folder and of its folders, by name."""
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        raise DianaError(Reason.SOURCE_NOT_FOUND, "The folder of the worklist cannot be read.") from None
    for entry in entries:
        if version := _version(entry):
            yield ("", entry.name), version
    for folder in (entry.name for entry in entries if entry.is_dir()):
        with suppress(OSError):
            for entry in sorted(os.scandir(directory / folder), key=lambda entry: entry.name):
                if version := _version(entry):
                    yield (folder, entry.name), version


def _version(entry: os.DirEntry[str]) -> _Version | None:
    """None for what is no worklist file, or has gone."""
    try:
        if not entry.name.lower().endswith(_SUFFIXES) or not entry.is_file():
            return None
        found = entry.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
