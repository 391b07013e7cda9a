"""Part 10 bytes in files: one a instance, a thousand a directory, named by object id alone."""

from __future__ import annotations

import mmap
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import groupby
from pathlib import Path

from diana_archive.core.ports import Contents, Draft
from diana_archive.stores.writeback import start_writing
from diana_common.state_files import make_directory, sync_directory

_A_DIRECTORY = 1000
# A large file goes out while it comes in, so that its commit need not wait for all of it.
_WRITE_OUT = 8 * 1024 * 1024


class FileDraft:
    """A file being written. The file is new: nothing that was there is ever written over."""

    def __init__(self, path: Path, object_id: int) -> None:
        self.object_id = object_id
        self.size_bytes = 0
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes | memoryview) -> None:
        """See core.ports.Draft."""
        before = self.size_bytes
        rest = memoryview(data)
        while rest:
            written = os.write(self.descriptor, rest)
            self.size_bytes += written
            rest = rest[written:]
        if before // _WRITE_OUT < self.size_bytes // _WRITE_OUT:
            start_writing(self.descriptor)

    def contents(self) -> AbstractContextManager[Contents]:
        """See core.ports.Draft."""
        return _mapped(self.descriptor, self.size_bytes)

    def close(self) -> None:
        """See core.ports.Draft."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            # What close tells of late was durable before, or is not wanted.
            with suppress(OSError):
                os.close(descriptor)

    def discard(self) -> None:
        """See core.ports.Draft. What cannot be removed now is swept at the next start."""
        self.close()
        with suppress(OSError):
            self.path.unlink()


class FileReader:
    """A file open for reading."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, offset: int, size: int) -> bytes:
        """See core.ports.ObjectReader."""
        return os.pread(self._descriptor, size, offset)

    def contents(self) -> AbstractContextManager[Contents]:
        """See core.ports.ObjectReader."""
        return _mapped(self._descriptor, os.fstat(self._descriptor).st_size)

    def close(self) -> None:
        """See core.ports.ObjectReader."""
        os.close(self._descriptor)


class CacheWindow:
    """Keeps the newest bytes in the page cache and lets those before go.

    What was stored last is what followers read next; the rest of a bulk load would only push out the
    catalogue and other programs' pages, and make every write wait for fresh memory.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: deque[tuple[Path, int]] = deque()
        self._bytes = 0

    def add(self, path: Path, size_bytes: int) -> None:
        """Take a file whose bytes are on the disk."""
        self._held.append((path, size_bytes))
        self._bytes += size_bytes
        while self._bytes > self._limit_bytes:
            oldest, size = self._held.popleft()
            self._bytes -= size
            with suppress(OSError):
                _let_go(oldest)


class FileObjects:
    """Objects under `root`/STORE/objects, what is set aside under `root`/STORE/orphans.

    Of the newest objects, `cached_bytes` stay in the page cache.
    """

    def __init__(self, root: Path, cached_bytes: int = 256 * 1024 * 1024) -> None:
        self._root = root
        self._cache = CacheWindow(cached_bytes)
        self._lock = threading.Lock()
        self._next_id = self._first_id = 1
        self._made: set[Path] = set()

    def start(self, first_id: int) -> None:
        """Ids are given from this one on. Before the first create."""
        self._next_id = self._first_id = first_id

    def highest_id(self, stores: Iterable[str]) -> int:
        """The highest object id that a file bears; 0 without any."""
        bearers = ([*self._newest(store), *_objects(self._orphans(store))] for store in stores)
        return max((int(path.stem) for paths in bearers for path in paths), default=0)

    def create(self, store: str) -> FileDraft:
        """See core.ports.Objects."""
        with self._lock:
            object_id = self._next_id
            self._next_id += 1
            path = self.path(store, object_id)
            if path.parent not in self._made:
                # Synced even if it is there: the process that made it may have died before it could.
                make_directory(path.parent)
                for directory in path.parents[1:5]:
                    sync_directory(directory)
                self._made = {one for one in self._made if one.parent != path.parent.parent} | {path.parent}
        return FileDraft(path, object_id)

    def make_durable(self, drafts: Sequence[Draft]) -> list[OSError | None]:
        """See core.ports.Objects. All are set going before the first is waited for."""
        files = [draft for draft in drafts if isinstance(draft, FileDraft)]
        for file in files:
            start_writing(file.descriptor)
        failures = [_attempt(lambda file=file: os.fdatasync(file.descriptor)) for file in files]  # type: ignore[misc]
        directories = {file.path.parent for file in files}
        failed = {one: _attempt(lambda one=one: sync_directory(one)) for one in directories}  # type: ignore[misc]
        for file in files:
            self._cache.add(file.path, file.size_bytes)
        return [failure or failed[file.path.parent] for failure, file in zip(failures, files, strict=True)]

    def open(self, store: str, object_id: int) -> FileReader:
        """See core.ports.Objects."""
        return FileReader(self.path(store, object_id))

    def remove(self, objects: Sequence[tuple[str, int]]) -> list[OSError | None]:
        """See core.ports.Objects."""
        paths = [self.path(store, object_id) for store, object_id in objects]
        failures = [_attempt(lambda path=path: path.unlink(missing_ok=True)) for path in paths]  # type: ignore[misc]
        directories = {path.parent for path in paths if path.parent.is_dir()}
        failed = {one: _attempt(lambda one=one: sync_directory(one)) for one in directories}  # type: ignore[misc]
        return [failure or failed.get(path.parent) for failure, path in zip(failures, paths, strict=True)]

    def sweep(self, stores: Iterable[str], first_id: int, known: Callable[[int], bool]) -> int:
        """Set aside objects of `first_id` and above that are not known; how many. Before the first create.

        Looks into no directory that only has older ids. Nothing is removed: if the catalogue was not
        the one these belong to, they may be all there is of what was acknowledged. Raises OSError.
        """
        swept = 0
        for store in stores:
            for directory in self._directories(store):
                if int(directory.name) < first_id // _A_DIRECTORY:
                    continue
                orphans = [
                    path for path in _objects(directory) if int(path.stem) >= first_id and not known(int(path.stem))
                ]
                if orphans:
                    _move(orphans, self._orphans(store))
                swept += len(orphans)
        return swept

    def settled(self, store: str, after_id: int, limit: int) -> list[int]:
        """See core.ports.Objects."""
        ids: list[int] = []
        for directory in self._directories(store):
            if int(directory.name) < after_id // _A_DIRECTORY:
                continue
            ids += sorted(one for path in _objects(directory) if after_id < (one := int(path.stem)) < self._first_id)
            if len(ids) >= limit:
                break
        return ids[:limit]

    def set_aside(self, store: str, object_ids: Sequence[int]) -> None:
        """See core.ports.Objects."""
        for _, group in groupby(object_ids, key=lambda one: one // _A_DIRECTORY):
            _move([self.path(store, one) for one in group], self._orphans(store))

    def drop_orphans(self, before_us: int) -> int:
        """See core.ports.Objects. What is renamed changes its status, and that is when it was set aside."""
        dropped = 0
        for path in self._root.glob("*/orphans/*.dcm"):
            if path.stat().st_ctime_ns // 1000 < before_us:
                with suppress(OSError):
                    path.unlink()
                    dropped += 1
        return dropped

    def _newest(self, store: str) -> list[Path]:
        for directory in reversed(self._directories(store)):
            if paths := _objects(directory):
                return paths
        return []

    def _directories(self, store: str) -> list[Path]:
        objects = self._root / store / "objects"
        return sorted(one for one in objects.iterdir() if one.name.isdigit()) if objects.is_dir() else []

    def _orphans(self, store: str) -> Path:
        return self._root / store / "orphans"

    def path(self, store: str, object_id: int) -> Path:
        """Where an object lies."""
        return self._root / store / "objects" / f"{object_id // _A_DIRECTORY:09d}" / f"{object_id:012d}.dcm"


@contextmanager
def _mapped(descriptor: int, size: int) -> Iterator[Contents]:
    if not size:
        yield b""
        return
    with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as mapped:
        yield mapped


def _objects(directory: Path) -> list[Path]:
    return [path for path in directory.glob("*.dcm") if path.stem.isdigit()]


def _move(paths: Sequence[Path], directory: Path) -> None:
    """Move files of one directory to another, durably: the next start does not look where they were."""
    make_directory(directory)
    for path in paths:
        path.rename(directory / path.name)
    sync_directory(directory)
    sync_directory(paths[0].parent)


def _let_go(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _attempt(action: Callable[[], None]) -> OSError | None:
    try:
        action()
    except OSError as error:
        return error
    return None
