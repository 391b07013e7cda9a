"""Objects in packs: written past the page cache, synced once for all that wait, and given back as holes."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from diana_archive.core.ports import Contents, ObjectReader
from diana_archive.stores.ahead import OF_ALL, Ahead
from diana_archive.stores.direct import BUFFER_BYTES, DirectWriter
from diana_archive.stores.pack_format import (
    HEAD_BYTES,
    MOST_BYTES,
    PLAIN,
    Entry,
    join_id,
    read_entry,
    read_object,
    span,
    split_id,
    walk,
)
from diana_archive.stores.pack_writing import Pack, PackedDraft
from diana_archive.stores.syncing import Syncing
from diana_archive.stores.writeback import punch_hole
from diana_common.state_files import make_directory, replace_file, sync_directory

_HELD_BYTES = 64 * 1024
"""Up to this size an object stays in memory until its commit writes it together with others."""


class PackReader:
    """An entry open for reading. See core.ports.ObjectReader."""

    def __init__(self, path: Path, object_id: int, ahead: Ahead = OF_ALL) -> None:
        self._ahead = ahead
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            entry = read_entry(self._descriptor, object_id)
            if entry is None:
                raise FileNotFoundError(object_id)
            self._entry = entry
        except BaseException:
            os.close(self._descriptor)
            raise

    def read(self, offset: int, size: int) -> bytes:
        """See core.ports.ObjectReader."""
        if self._entry.encoding != PLAIN:
            return self._unpack()[offset : offset + size]
        size = max(0, min(size, self._entry.kept_bytes - offset))
        data = os.pread(self._descriptor, size, self._entry.offset + HEAD_BYTES + offset)
        self._check_kept()
        return data

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        """See core.ports.ObjectReader."""
        yield self.read(0, self._entry.size_bytes)

    def _unpack(self) -> bytes:
        """A compressed object, whole: nothing less of it can be had."""
        held = self._ahead.find(self)
        if held is not None:
            return held
        try:
            with self._ahead.unpacking:
                data = read_object(self._descriptor, self._entry)
        finally:
            self._check_kept()
        self._ahead.hold(self, data)
        return data

    def kept(self) -> tuple[bytes, Entry]:
        """The object as it is kept, and its head. Raises FileNotFoundError, OSError."""
        data = os.pread(self._descriptor, self._entry.kept_bytes, self._entry.offset + HEAD_BYTES)
        self._check_kept()
        return data, self._entry

    def _check_kept(self) -> None:
        """What was read after the entry's removal, which takes its head first, is zeros."""
        if read_entry(self._descriptor, self._entry.object_id) is None:
            raise FileNotFoundError(errno.ENOENT, "the object was removed")

    def close(self) -> None:
        """See core.ports.ObjectReader."""
        self._ahead.drop(self)
        os.close(self._descriptor)


class Packs:
    """Packs under `root`/STORE/packs; `next_number` gives each its number."""

    def __init__(self, root: Path, next_number: Callable[[], int], syncing: Syncing) -> None:
        self._root = root
        self._next_number = next_number
        self._syncing = syncing
        self._writer = DirectWriter()
        self._lock = threading.Lock()
        self._current: dict[str, Pack] = {}
        self._begun: list[Pack] = []

    def add(self, store: str, data: bytes, compress: bool) -> PackedDraft:
        """A new object of at most MOST_BYTES. Raises OSError."""
        draft = PackedDraft(store, data, compress)
        if draft.kept_bytes > _HELD_BYTES:
            self._write(store, [draft])
        return draft

    def make_durable(self, drafts: Sequence[PackedDraft]) -> list[OSError | None]:
        """See core.ports.Objects."""
        held = sorted((draft for draft in drafts if not draft.pack), key=lambda draft: draft.store)
        failures = self._write_held(held)
        failures |= {id(draft): failure for draft in drafts if (failure := attempt(draft.wait))}
        packs = {draft.pack for draft in drafts if draft.pack}
        failed = {pack: attempt(pack.sync) for pack in packs}
        return [failures.get(id(draft)) or (failed[draft.pack] if draft.pack else None) for draft in drafts]

    def open(self, store: str, object_id: int) -> PackReader:
        """See core.ports.Objects."""
        return PackReader(self.place(store, object_id), object_id)

    def copy(self, store: str, object_id: int, reader: ObjectReader) -> None:
        """Put an object into the place that its id names, for a copy of the archive. Raises OSError.

        As it is kept, if it comes from a pack: it has no more room than that.
        """
        if isinstance(reader, PackReader):
            data, entry = reader.kept()
            entry = replace(entry, object_id=object_id)
        else:
            data = reader.read(0, MOST_BYTES)
            entry = Entry(object_id, len(data), len(data), PLAIN)
        path = self.place(store, object_id)
        make_directory(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, data, entry.offset + HEAD_BYTES)
            os.fdatasync(descriptor)
            # The head last: an entry that has one is whole.
            os.pwrite(descriptor, entry.encode(), entry.offset)
            os.ftruncate(descriptor, max(os.fstat(descriptor).st_size, entry.offset + entry.span))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def move(self, store: str, object_id: int, to: Path) -> None:
        """Copy an object, as it is kept, into a file of its own; whoever asks removes it. Raises FileNotFoundError,
        OSError."""
        reader = self.open(store, object_id)
        try:
            kept, entry = reader.kept()
        finally:
            reader.close()
        replace_file(to if entry.encoding == PLAIN else to.with_suffix(".dcm.zst"), kept)

    def remove(self, store: str, object_id: int) -> None:
        """Give an object's space back, not yet durably; nothing happens where it is gone. Raises OSError."""
        path = self.place(store, object_id)
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                if entry := read_entry(descriptor, object_id):
                    punch_hole(descriptor, entry.offset, entry.span)
            finally:
                os.close(descriptor)

    def settle(self, place: Path) -> None:
        """Make a pack's removals durable, and remove it when nothing is left in it. Raises OSError."""
        with suppress(FileNotFoundError):
            descriptor = os.open(place, os.O_RDWR | os.O_CLOEXEC)
            try:
                if self._grows(place) or next(walk(descriptor, int(place.stem), 0), None):
                    os.fdatasync(descriptor)
                else:
                    place.unlink()
                    sync_directory(place.parent)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Let go of all packs, once what is being written to them is."""
        self._writer.close()
        with self._lock:
            while self._current:
                self._current.popitem()[1].retire()

    def unsettled_ids(self) -> dict[str, int]:
        """By store, of those with a pack in use: what is on its way to one has no lower id."""
        with self._lock:
            used = [pack for pack in self._begun if pack.in_use]
        # The oldest last, so that it is the one that counts.
        return {pack.path.parent.parent.name: pack.settled_id for pack in reversed(used)}

    def ids(self, store: str, after_id: int) -> Iterator[int]:
        """Ids of the objects after that one, in order. Raises OSError."""
        after_number, after_offset = split_id(after_id)
        for number in self.numbers(store):
            if number >= after_number:
                yield from self._ids(store, number, after_offset if number == after_number else 0)

    def numbers(self, store: str) -> list[int]:
        """The packs of a store, in order."""
        directory = self._directory(store)
        return sorted(int(path.stem) for path in directory.glob("*.pack") if path.stem.isdecimal())

    def place(self, store: str, object_id: int) -> Path:
        """The pack that an object lies in."""
        return self._directory(store) / f"{split_id(object_id)[0]:012d}.pack"

    def _directory(self, store: str) -> Path:
        return self._root / store / "packs"

    def _grows(self, place: Path) -> bool:
        with self._lock:
            return any(pack.path == place and pack.in_use for pack in self._begun)

    def _ids(self, store: str, number: int, after_offset: int) -> Iterator[int]:
        # One that was purged since it was listed has no more objects.
        with suppress(FileNotFoundError), open(self.place(store, join_id(number)), "rb", buffering=0) as file:
            for entry in walk(file.fileno(), number, after_offset):
                yield entry.object_id

    def _reserve(self, store: str, size: int, users: int) -> tuple[Pack, int]:
        """A free part of the store's pack, or of a new one."""
        with self._lock:
            pack = self._current.get(store)
            if pack is None or pack.full:
                number = self._next_number()
                self._current[store] = Pack(self.place(store, join_id(number)), number, self._syncing)
                if pack:
                    pack.retire()
                self._begun = [*filter(lambda begun: begun.in_use, self._begun), self._current[store]]
                pack = self._current[store]
            return pack, pack.reserve(size, users)

    def _write_held(self, held: Sequence[PackedDraft]) -> dict[int, OSError]:
        """Write what is still in memory, sorted by store; what failed at once, by the draft's identity."""
        failures: dict[int, OSError] = {}
        for store, group in groupby(held, key=lambda draft: draft.store):
            for piece in _pieces(list(group)):
                if failure := attempt(lambda store=store, piece=piece: self._write(store, piece)):  # type: ignore[misc]
                    failures.update((id(draft), failure) for draft in piece)
        return failures

    def _write(self, store: str, drafts: Sequence[PackedDraft]) -> None:
        """Begin to write drafts one behind the other. Raises OSError."""
        total = sum(span(draft.kept_bytes) for draft in drafts)
        pack, start = self._reserve(store, total, len(drafts))

        def lay_out(buffer: memoryview) -> None:
            offset = 0
            for draft in drafts:
                offset += draft.lay_out(buffer[offset:], pack, start + offset)

        try:
            writing = self._writer.write(pack.descriptor, start, total, lay_out)
        except BaseException:
            pack.leave(len(drafts))
            raise
        for draft in drafts:
            draft.settle(pack, writing)


def attempt(action: Callable[[], None]) -> OSError | None:
    """What it fails with, if it does."""
    try:
        action()
    except OSError as error:
        return error
    return None


def _pieces(drafts: Sequence[PackedDraft]) -> Iterator[list[PackedDraft]]:
    """Cut into pieces that fit a buffer."""
    piece: list[PackedDraft] = []
    size = 0
    for draft in drafts:
        if piece and size + span(draft.kept_bytes) > BUFFER_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(draft)
        size += span(draft.kept_bytes)
    if piece:
        yield piece
