"""Part 10 bytes in a directory: what comes in one piece goes into packs, what grows into a file of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from heapq import merge
from itertools import islice
from pathlib import Path

from diana_archive.core.failures import DamagedObject
from diana_archive.core.ports import Draft, ObjectReader
from diana_archive.stores.loose import FileDraft, LooseFiles
from diana_archive.stores.pack_format import MOST_BYTES, join_id, split_id
from diana_archive.stores.pack_writing import PackedDraft
from diana_archive.stores.packs import Packs, attempt
from diana_archive.stores.reserve import Reserve
from diana_archive.stores.spool import filled
from diana_archive.stores.syncing import Syncing
from diana_archive.stores.waterline import Line, Waterline
from diana_common.state_files import make_directory, sync_directory

_PIECE = 1024 * 1024
_A_PAGE = 1000


class FileObjects:
    """Objects under `root`/STORE, in packs and loose files; what is set aside under `root`/STORE/orphans.

    Of the newest loose files, `cached_bytes` stay in the page cache. `compressed` names stores whose objects are kept
    smaller where that pays. `syncing` says what new objects outlive; removals and copies outlive a power cut always.
    """

    def __init__(
        self,
        root: Path,
        cached_bytes: int = 256 * 1024 * 1024,
        compressed: Collection[str] = frozenset(),
        syncing: Syncing | None = None,
    ) -> None:
        self._root = root
        self._compressed = frozenset(compressed)
        self._lock = threading.Lock()
        self._next_number = self._first_number = 1
        self._reserve = Reserve(root)
        syncing = syncing or Syncing()
        self._packs = Packs(root, self._take_number, syncing)
        self._loose = LooseFiles(root, self._take_number, self._reserve, cached_bytes, self._compressed, syncing)
        self.waterline = Waterline(self._line)
        """Below it, the next start need not sweep."""

    def start(self, first_id: int) -> None:
        """Ids are given from this one on. Before the first create."""
        number, offset = split_id(first_id)
        self._next_number = self._first_number = number + bool(offset)

    def highest_id(self, stores: Iterable[str]) -> int:
        """An id no lower than any that a file bears; 0 without any."""
        highest = max((number for store in stores for number in self._highest(store)), default=0)
        return join_id(highest + 1) - 1 if highest else 0

    def create(self, store: str) -> FileDraft:
        """See core.ports.Objects."""
        return self._loose.create(store)

    def place(self, store: str, data: bytes) -> Draft:
        """See core.ports.Objects."""
        if len(data) <= MOST_BYTES:
            self._reserve.take(len(data))
            return self._packs.add(store, data, store in self._compressed)
        return filled(self._loose.create(store), data)

    def adopt(self, store: str, path: Path) -> FileDraft:
        """See core.ports.Objects."""
        return self._loose.adopt(store, path)

    def make_durable(self, drafts: Sequence[Draft]) -> list[OSError | None]:
        """See core.ports.Objects."""
        packed = [draft for draft in drafts if isinstance(draft, PackedDraft)]
        loose = [draft for draft in drafts if isinstance(draft, FileDraft)]
        failures = dict(zip(map(id, packed), self._packs.make_durable(packed), strict=True))
        failures.update(zip(map(id, loose), self._loose.make_durable(loose), strict=True))
        self.waterline.add(len(drafts))
        return [failures[id(draft)] for draft in drafts]

    def open(self, store: str, object_id: int) -> ObjectReader:
        """See core.ports.Objects."""
        return self._home(object_id).open(store, object_id)

    def ids(self, store: str, after_id: int = 0) -> Iterator[int]:
        """Ids of the objects after that one, in order. Raises OSError."""
        return merge(self._packs.ids(store, after_id), self._loose.ids(store, after_id))

    def close(self) -> None:
        """Let go of what is open for writing."""
        self._packs.close()

    def has(self, store: str, object_id: int, size_bytes: int) -> bool:
        """Whether an object is there, of that size. Raises OSError."""
        try:
            reader = self.open(store, object_id)
        except FileNotFoundError:
            return False
        try:
            return len(reader.read(size_bytes - 1, 2)) == 1
        except DamagedObject:
            return False
        finally:
            reader.close()

    def copy(self, store: str, object_id: int, reader: ObjectReader) -> None:
        """Put an object in the place that its id names. A crash leaves all of it or nothing. Raises OSError."""
        if split_id(object_id)[1]:
            self._packs.copy(store, object_id, reader)
        else:
            _write_whole(self._loose.path(store, object_id), reader)

    def remove(self, objects: Sequence[tuple[str, int]]) -> list[OSError | None]:
        """See core.ports.Objects."""
        failures = [attempt(lambda one=one: self._home(one[1]).remove(*one)) for one in objects]  # type: ignore[misc]
        places = [self._home(object_id).place(store, object_id) for store, object_id in objects]
        homes = {place: self._home(object_id) for place, (_, object_id) in zip(places, objects, strict=True)}
        failed = {
            place: attempt(lambda home=home, place=place: home.settle(place))  # type: ignore[misc]
            for place, home in homes.items()
        }
        return [failure or failed[place] for failure, place in zip(failures, places, strict=True)]

    def sweep(self, stores: Iterable[str], line: Line, known: Callable[[Sequence[int]], set[int]]) -> int:
        """Set aside objects above a line that are not known; how many. Before the first create.

        Looks into no file that only has lower ids. Nothing is removed: if the catalogue was not
        the one these belong to, they may be all there is of what was acknowledged. Raises OSError.
        """
        swept = 0
        for store in stores:
            packed = self._packs.ids(store, line.packs.get(store, line.first_id) - 1)
            ids = merge(packed, self._loose.ids(store, (line.loose or line.first_id) - 1))
            while page := list(islice(ids, _A_PAGE)):
                orphans = sorted(set(page) - known(page))
                self.set_aside(store, orphans)
                swept += len(orphans)
        return swept

    def settled(self, store: str, after_id: int, limit: int) -> list[int]:
        """See core.ports.Objects."""
        first = join_id(self._first_number)
        ids = (one for one in self.ids(store, after_id) if one < first)
        return list(islice(ids, limit))

    def set_aside(self, store: str, object_ids: Sequence[int]) -> None:
        """See core.ports.Objects."""
        if not object_ids:
            return
        make_directory(self._orphans(store))
        for object_id in object_ids:
            self._set_aside(store, object_id)
        sync_directory(self._orphans(store))
        for failure in self.remove([(store, object_id) for object_id in object_ids]):
            if failure:
                raise failure

    def drop_orphans(self, before_us: int) -> int:
        """See core.ports.Objects. A new name or a new file changes its status, and that is when it was set aside."""
        dropped = 0
        for path in self._root.glob("*/orphans/*"):
            if path.stat().st_ctime_ns // 1000 < before_us:
                with suppress(OSError):
                    path.unlink()
                    dropped += 1
        return dropped

    def _set_aside(self, store: str, object_id: int) -> None:
        """A loose file is moved; an entry of a pack is copied, and its space given back by the removal that follows."""
        number, offset = split_id(object_id)
        orphan = self._orphans(store) / f"{number:012d}-{offset:010d}.dcm"
        # One that was purged meanwhile needs no other place.
        with suppress(FileNotFoundError):
            if offset:
                self._packs.move(store, object_id, orphan)
            else:
                self._loose.move(store, object_id, orphan)

    def _home(self, object_id: int) -> Packs | LooseFiles:
        return self._packs if split_id(object_id)[1] else self._loose

    def _highest(self, store: str) -> Iterator[int]:
        yield self._loose.highest(store)
        yield from self._packs.numbers(store)[-1:]
        names = (path.name.partition("-")[0] for path in self._orphans(store).glob("*"))
        yield from (int(name) for name in names if name.isdecimal())

    def _line(self) -> Line:
        """Below it, nothing is on its way. What is taken after the first look has a higher id."""
        with self._lock:
            next_id = join_id(self._next_number)
        return Line(next_id, self._packs.unsettled_ids(), min(self._loose.unsettled_ids(), default=None))

    def _take_number(self) -> int:
        with self._lock:
            self._next_number += 1
            return self._next_number - 1

    def _orphans(self, store: str) -> Path:
        return self._root / store / "orphans"


def _write_whole(path: Path, reader: ObjectReader) -> None:
    """A copy that has its name only once it is durable."""
    make_directory(path.parent)
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            while piece := reader.read(file.tell(), _PIECE):
                file.write(piece)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        partial.unlink()
        raise
    partial.replace(path)
