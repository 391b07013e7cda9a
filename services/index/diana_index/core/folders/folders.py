"""What the folder registry does for its callers: indexing, finding and reading files where they lie."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from collections.abc import Collection as Members
from contextlib import closing
from dataclasses import dataclass

from diana_common.errors import DianaError, Reason
from diana_index.core.folders.indexing import Indexing, Watcher
from diana_index.core.folders.model import Collection, Counts, File, Folder, Kind, Place, shown
from diana_index.core.folders.ports import Contents, Readers, Trees
from diana_index.core.folders.registry import Registry

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Failed:
    """A file, or the rest of it, cannot be read."""

    file: File
    error: DianaError


@dataclass(frozen=True, slots=True)
class Ended:
    """A file is whole."""

    crc32: int


Event = File | bytes | Ended | Failed
"""A file begins, its next bytes, its end."""


@dataclass(frozen=True)
class Folders:
    """The folder registry."""

    registry: Registry
    trees: Trees
    readers: Callable[[], Readers]

    def check(self, path: str) -> bytes:
        """The real path of a directory that may be indexed. Raises INVALID_FIELD, PATH_FORBIDDEN, SOURCE_NOT_FOUND."""
        return self.trees.tree(path).path

    def index(self, path: str, run: str, read_all: bool, watcher: Watcher) -> Counts:
        """Index a directory, or go on with the run of that name.

        Raises as `check`, what the watcher raises, and DianaError DISK_FULL, PEER_UNAVAILABLE.
        """
        tree = self.trees.tree(path)
        begun = self.registry.begin(tree.path, run)
        with closing(self.readers()) as readers:
            counts = Indexing(tree, begun, readers, read_all, watcher).do()
        begun.finish(time.time())
        return counts

    def folders(self) -> list[Folder]:
        """The folders that are indexed, by path."""
        return self.registry.folders()

    def forget(self, path: str) -> None:
        """Forget a folder by its path, as people are shown it."""
        for folder in self.registry.folders():
            if shown(folder.path) == path:
                self.registry.forget_folder(folder.path)

    def collections(self, kind: Kind, prefix: str, after: str, limit: int) -> list[tuple[str, int]]:
        """Values that begin with `prefix`, from behind `after`, with how many files each has."""
        return self.registry.collections(kind, prefix, after, limit)

    def files(self, collection: Collection, after: Place | None, limit: int) -> list[File]:
        """A collection's files, by path, from behind one."""
        return self.registry.files(collection, after, limit)

    def read(self, collection: Collection, sop_instance_uids: Members[str] = ()) -> Iterator[Event]:
        """The bytes of a collection's files, or of some of its instances. Raises COLLECTION_NOT_FOUND."""
        page = self.registry.files(collection, None, _PAGE)
        if not page:
            raise DianaError(Reason.COLLECTION_NOT_FOUND, "No file belongs to this collection.")
        with closing(self.trees.contents()) as contents:
            while page:
                for file in page:
                    if not sop_instance_uids or file.sop_instance_uid in sop_instance_uids:
                        yield from _read(contents, file)
                page = self.registry.files(collection, page[-1].place, _PAGE)


def _read(contents: Contents, file: File) -> Iterator[Event]:
    crc32 = 0
    try:
        with closing(contents.pieces(file)) as pieces:
            first = next(pieces, b"")
            yield file
            if first:
                crc32 = zlib.crc32(first)
                yield first
            for piece in pieces:
                crc32 = zlib.crc32(piece, crc32)
                yield piece
    except DianaError as error:
        yield Failed(file, error)
        return
    yield Ended(crc32)
