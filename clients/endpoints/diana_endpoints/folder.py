"""A folder of DICOM files, walked to any depth; what is put into it lies under STUDY/SERIES/INSTANCE.dcm."""

from __future__ import annotations

import filecmp
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.failures import failure_of, unreadable
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Content, FileContent, Item, chunks
from diana_endpoints.protocol.endpoint import Health

PREAMBLE = 132
"""Bytes up to the end of 'DICM' (PS3.10 section 7.1)."""


def is_part10(head: bytes) -> bool:
    """Whether a file that begins so may be a DICOM Part 10 file."""
    return head[128:132] == b"DICM"


@dataclass(frozen=True)
class FolderSettings:
    """A DICOM folder."""

    path: Path
    """The folder."""


class Folder:
    """Endpoint `folder`. Its listing holds one directory handle a level and no names.

    Links to folders are not followed; links to files only within the folder.
    """

    def __init__(self, settings: FolderSettings) -> None:
        self._root = settings.path
        self.passed_over: Counter[str] = Counter()

    def close(self) -> None:
        """Nothing to give back."""

    def check(self) -> Health:
        """Whether the folder can be read."""
        try:
            with os.scandir(self._root):
                return Health(True, "a folder that can be read")
        except OSError as error:
            return Health(False, f"cannot be read ({error.strerror})")

    def list(self) -> Iterator[Item]:
        """Every Part 10 file below the folder. Raises DianaError if the folder cannot be read."""
        self.passed_over = Counter()
        if not self._root.is_dir():
            raise invalid_field("path", "is not a folder that can be read")
        yield from self._walk(self._root.resolve())

    def get(self, wanted: Item) -> Iterator[Item]:
        """The file that `wanted.meta["path"]` names, relative to the folder."""
        path = wanted.meta.get("path")
        if not path:
            raise invalid_field("path", "is required to get from a folder: a path relative to it")
        root = self._root.resolve()
        found = (root / str(path)).resolve()
        if not found.is_relative_to(root) or not found.is_file():
            raise invalid_field("path", "is not a file in the folder")
        yield self._item(root, found, 1)

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Write each under its UIDs. What is there stays; another file under the same UIDs is a conflict."""
        for item in items:
            try:
                item.meta["outcome"] = self._write(item)
            except (DianaError, OSError) as error:
                item.failure = failure_of(error)
            yield item

    def _walk(self, root: Path) -> Iterator[Item]:
        pending, number = [root], 0
        while pending:
            try:
                entries = os.scandir(pending.pop())
            except OSError:
                number += 1
                yield Item(number=number, failure=unreadable("a folder"))
                continue
            with entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    elif item := self._examine(root, entry, number + 1):
                        number += 1
                        yield item

    def _examine(self, root: Path, entry: os.DirEntry[str], number: int) -> Item | None:
        path = Path(entry.path)
        try:
            if entry.is_symlink() and not path.resolve().is_relative_to(root):
                self.passed_over["links out of the folder"] += 1
                return None
            if not entry.is_file():
                self.passed_over["links to folders, and special files"] += 1
                return None
            with path.open("rb") as stream:
                if not is_part10(stream.read(PREAMBLE)):
                    self.passed_over["files that are not DICOM"] += 1
                    return None
            return self._item(root, path, number)
        except OSError:
            return Item({"path": str(path.relative_to(root))}, number=number, failure=unreadable("a file"))

    def _item(self, root: Path, path: Path, number: int) -> Item:
        size = path.stat().st_size
        meta = {"path": str(path.relative_to(root)), "size_bytes": size}
        return Item(meta, content=FileContent(path, size), number=number)

    def _write(self, item: Item) -> str:
        if item.content is None:
            raise invalid_field("content", "is required: get the instance before it is put")
        fill_header(item)
        study, series, instance = (_file_name(item, key) for key in ("study_uid", "series_uid", "sop_instance_uid"))
        folder = self._root / study / series
        folder.mkdir(parents=True, exist_ok=True)
        return _write_once(folder / f"{instance}.dcm", item.content)


def _file_name(item: Item, key: str) -> str:
    """A UID as a file name: one without any digit ("..") would be a place, not a name."""
    uid = str(item.meta[key])
    if not uid.strip(".") or not set(uid) <= set("0123456789."):
        raise DianaError(Reason.UID_INVALID, "a UID cannot serve as a file name")
    return uid


def _write_once(path: Path, content: Content) -> str:
    """Write by way of a partial file, so that a file under its own name is whole."""
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            for piece in chunks(content):
                stream.write(piece)
        if not path.exists():
            part.replace(path)
            return "stored"
        if filecmp.cmp(part, path, shallow=False):
            return "already_stored"
        raise DianaError(Reason.INSTANCE_CONFLICT, "the folder has another file under these UIDs")
    finally:
        part.unlink(missing_ok=True)
