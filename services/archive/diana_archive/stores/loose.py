"""Large objects: a file each, a thousand a directory, named by number alone."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from diana_archive.core.ports import Contents, ObjectReader
from diana_archive.stores.pack_format import join_id, split_id
from diana_archive.stores.packs import attempt
from diana_archive.stores.reserve import Reserve
from diana_archive.stores.spool import mapped, write_all
from diana_archive.stores.syncing import Syncing
from diana_archive.stores.writeback import start_writing
from diana_archive.stores.zstd import SeekableReader, compress_to
from diana_common.state_files import make_directory, sync_directory

ZSTD = ".dcm.zst"
"""The suffix of a file that is compressed; ".dcm" is that of others."""

_NAME = re.compile(r"([0-9]+)\.dcm(?:\.zst)?")
_A_DIRECTORY = 1000
_PIECE = 1024 * 1024
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP})
"""The file system cannot give a file a second name, or not there."""
# A large file goes out while it comes in, so that its commit need not wait for all of it.
_WRITE_OUT = 8 * 1024 * 1024


class FileDraft:
    """A file being written. The file is new: nothing that was there is ever written over."""

    def __init__(
        self,
        path: Path,
        object_id: int,
        descriptor: int,
        reserve: Reserve,
        size_bytes: int = 0,
        compress: bool = False,
        settle: Callable[[int], None] = lambda object_id: None,
    ) -> None:
        """`settle` is called when it is committed, or gone."""
        self.object_id = object_id
        self.size_bytes = size_bytes
        self.path = path
        self.descriptor = descriptor
        self._reserve = reserve
        self._compress = compress
        self._settle = settle

    def write(self, data: bytes | memoryview) -> None:
        """See core.ports.Draft."""
        self._reserve.take(len(data))
        write_all(self.descriptor, data)
        before, self.size_bytes = self.size_bytes, self.size_bytes + len(data)
        if not self._compress and before // _WRITE_OUT < self.size_bytes // _WRITE_OUT:
            start_writing(self.descriptor)

    def contents(self) -> AbstractContextManager[Contents]:
        """See core.ports.Draft."""
        return mapped(self.descriptor, self.size_bytes)

    def finish(self) -> None:
        """See core.ports.Draft. The compressed form takes the place of what was written, where that pays."""
        if not self._compress:
            return
        self._compress = False
        packed = self.path.with_suffix(ZSTD)
        with self.contents() as contents:
            descriptor = compress_to(packed, contents)
        if descriptor is not None:
            self.path.unlink()
            os.close(self.descriptor)
            self.path, self.descriptor = packed, descriptor

    def close(self) -> None:
        """See core.ports.Draft."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            # What close tells of late was durable before, or is not wanted.
            with suppress(OSError):
                os.close(descriptor)
        self._settle(self.object_id)

    def discard(self) -> None:
        """See core.ports.Draft. What cannot be removed now is found by a verification."""
        with suppress(OSError):
            self.path.unlink()
        self.close()


class FileReader:
    """A file open for reading."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, offset: int, size: int) -> bytes:
        """See core.ports.ObjectReader."""
        return os.pread(self._descriptor, size, offset)

    def contents(self) -> AbstractContextManager[Contents]:
        """See core.ports.ObjectReader."""
        return mapped(self._descriptor, os.fstat(self._descriptor).st_size)

    @property
    def size_bytes(self) -> int:
        """The file's size."""
        return os.fstat(self._descriptor).st_size

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


class LooseFiles:
    """Files under `root`/STORE/objects; `next_number` gives each its number.

    Of the newest, `cached_bytes` stay in the page cache. `compressed` names the stores whose files are compressed where
    that pays: N.dcm.zst is such a one, N.dcm a plain one.
    """

    def __init__(
        self,
        root: Path,
        next_number: Callable[[], int],
        reserve: Reserve,
        cached_bytes: int,
        compressed: Collection[str],
        syncing: Syncing,
    ) -> None:
        self._root = root
        self._syncing = syncing
        self._reserve = reserve
        self._compressed = compressed
        self._next_number = next_number
        self._cache = CacheWindow(cached_bytes)
        self._lock = threading.Lock()
        self._made: set[Path] = set()
        self._unsettled: set[int] = set()

    def create(self, store: str) -> FileDraft:
        """See core.ports.Objects."""
        with self._new_place(store) as (object_id, path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            return self._draft(store, object_id, path, descriptor)

    def adopt(self, store: str, path: Path) -> FileDraft:
        """See core.ports.Objects."""
        try:
            with self._new_place(store) as (object_id, place):
                place.hardlink_to(path)
                descriptor = os.open(place, os.O_RDWR | os.O_CLOEXEC)
                return self._draft(store, object_id, place, descriptor)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        return self._copy(store, path)

    def make_durable(self, drafts: Sequence[FileDraft]) -> list[OSError | None]:
        """See core.ports.Objects. All are set going before the first is waited for."""
        for file in drafts:
            start_writing(file.descriptor)
        failures = [attempt(lambda file=file: self._syncing.file(file.descriptor)) for file in drafts]  # type: ignore[misc]
        directories = {file.path.parent for file in drafts}
        failed = {one: attempt(lambda one=one: self._syncing.directory(one)) for one in directories}  # type: ignore[misc]
        for file in drafts:
            self._cache.add(file.path, file.size_bytes)
        return [failure or failed[file.path.parent] for failure, file in zip(failures, drafts, strict=True)]

    def open(self, store: str, object_id: int) -> ObjectReader:
        """See core.ports.Objects."""
        path = self.path(store, object_id)
        try:
            return FileReader(path)
        except FileNotFoundError:
            packed = FileReader(path.with_suffix(ZSTD))
            return SeekableReader(packed, packed.size_bytes, path.parent)

    def remove(self, store: str, object_id: int) -> None:
        """Remove an object, not yet durably; nothing happens where it is gone. Raises OSError."""
        path = self.path(store, object_id)
        path.unlink(missing_ok=True)
        path.with_suffix(ZSTD).unlink(missing_ok=True)

    def move(self, store: str, object_id: int, to: Path) -> None:
        """Give an object another name, a plain file's; not yet durably. Raises FileNotFoundError, OSError."""
        path = self.path(store, object_id)
        try:
            path.rename(to)
        except FileNotFoundError:
            path.with_suffix(ZSTD).rename(to.with_suffix(ZSTD))

    def place(self, store: str, object_id: int) -> Path:
        """What `settle` is asked for."""
        return self.path(store, object_id).parent

    def settle(self, place: Path) -> None:
        """Make removals there durable. Raises OSError."""
        if place.is_dir():
            sync_directory(place)

    def unsettled_ids(self) -> list[int]:
        """Those of the drafts."""
        with self._lock:
            return list(self._unsettled)

    def ids(self, store: str, after_id: int) -> Iterator[int]:
        """Ids of the objects after that one, in order. Raises OSError."""
        after_number = split_id(after_id)[0]
        for directory in self._directories(store):
            if int(directory.name) >= after_number // _A_DIRECTORY:
                yield from (join_id(number) for number in _numbers(directory) if number > after_number)

    def highest(self, store: str) -> int:
        """The highest number of a file; 0 without any."""
        found = (_numbers(directory) for directory in reversed(self._directories(store)))
        return next((numbers[-1] for numbers in found if numbers), 0)

    def path(self, store: str, object_id: int) -> Path:
        """Where an object lies if it is not compressed."""
        number = split_id(object_id)[0]
        return self._root / store / "objects" / f"{number // _A_DIRECTORY:09d}" / f"{number:012d}.dcm"

    def _copy(self, store: str, path: Path) -> FileDraft:
        """A draft with what a file has that can have no second name here."""
        draft = self.create(store)
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    draft.write(piece)
        except BaseException:
            draft.discard()
            raise
        return draft

    def _draft(self, store: str, object_id: int, path: Path, descriptor: int) -> FileDraft:
        size_bytes = os.fstat(descriptor).st_size
        compress = store in self._compressed
        return FileDraft(path, object_id, descriptor, self._reserve, size_bytes, compress, self._settle)

    def _settle(self, object_id: int) -> None:
        with self._lock:
            self._unsettled.discard(object_id)

    @contextmanager
    def _new_place(self, store: str) -> Iterator[tuple[int, Path]]:
        """An object id and its path; unsettled until a draft settles it, unless none comes of it."""
        with self._lock:
            object_id = join_id(self._next_number())
            self._unsettled.add(object_id)
        try:
            yield object_id, self._new_path(store, object_id)
        except BaseException:
            self._settle(object_id)
            raise

    def _new_path(self, store: str, object_id: int) -> Path:
        path = self.path(store, object_id)
        with self._lock:
            if path.parent not in self._made:
                # Synced even if it is there: the process that made it may have died before it could.
                make_directory(path.parent)
                for directory in path.parents[1:5]:
                    self._syncing.directory(directory)
                self._made = {one for one in self._made if one.parent != path.parent.parent} | {path.parent}
        return path

    def _directories(self, store: str) -> list[Path]:
        objects = self._root / store / "objects"
        return sorted(one for one in objects.iterdir() if one.name.isdigit()) if objects.is_dir() else []


def _numbers(directory: Path) -> list[int]:
    names = map(_NAME.fullmatch, (path.name for path in directory.iterdir()))
    return sorted({int(name[1]) for name in names if name})


def _let_go(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
