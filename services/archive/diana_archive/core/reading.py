"""Reading instances back: whole, by range, many at once; and their headers."""

from __future__ import annotations

import threading
import zlib
from array import array
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from diana_archive.core.failures import damaged, from_read
from diana_archive.core.finding import require_selected
from diana_archive.core.model import Instance, Selector, State
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Catalogue, ObjectReader, Objects
from diana_common.errors import DianaError, Reason

PIECE = 1024 * 1024
_LEAST_PIECE = 16 * 1024
_ALL_PIECES = 2 * PIECE
"""What the pieces of all readers may take together, unless they are at their least; sending takes some times that."""
_A_PAGE = 100
_INSTANCE_BYTES = 4 * 1024
"""About what an instance's row takes while it waits for its turn in a page."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of an instance. `instance` is set on its first piece, `finish` on its last."""

    instance: Instance | None
    data: bytes
    finish: bool


class Readers:
    """Who reads now: the more there are the smaller are their pieces, for any of them may stall with one in hand."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    @property
    def piece_bytes(self) -> int:
        """How large a reader's next piece may be."""
        return max(_LEAST_PIECE, min(PIECE, _ALL_PIECES // max(1, self._count)))

    def __enter__(self) -> Readers:
        with self._lock:
            self._count += 1
        return self

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._count -= 1


class Reading:
    """Reads of one archive."""

    def __init__(self, catalogue: Catalogue, objects: Objects, policies: Policies) -> None:
        self._catalogue = catalogue
        self._objects = objects
        self._policies = policies
        self._readers = Readers()

    @property
    def piece_bytes(self) -> int:
        """How large a reader's next piece may be, and a message of several."""
        return self._readers.piece_bytes

    def find(self, store: str, sop_instance_uid: str, version: str) -> Instance:
        """An undeleted instance, the current one without a version. Raises STORE_UNKNOWN, INSTANCE_NOT_FOUND."""
        name = self._policies.find(store).name
        with self._catalogue.snapshot() as snapshot:
            instance = snapshot.instance(name, sop_instance_uid, version)
        if instance is None:
            raise _not_found()
        return instance

    def read(self, store: str, sop_instance_uid: str, version: str, offset: int, limit: int) -> Iterator[Piece]:
        """A range of an instance's bytes; a `limit` of 0 reads to the end. There is always one piece.

        Raises INSTANCE_NOT_FOUND, RANGE_INVALID, STORE_DAMAGED.
        """
        instance = self.find(store, sop_instance_uid, version)
        if offset > instance.size_bytes:
            raise DianaError(
                Reason.RANGE_INVALID,
                "read_offset lies past the instance's end.",
                metadata={"size_bytes": str(instance.size_bytes)},
            )
        end = min(instance.size_bytes, offset + limit) if limit else instance.size_bytes
        if not (yield from self._pieces(instance, offset, end)):
            raise _not_found()

    def download(self, store: str, selector: Selector) -> Iterator[Piece]:
        """All current instances selected, by series and SOP Instance UID.

        Raises STUDY_NOT_FOUND, SERIES_NOT_FOUND, INSTANCE_NOT_FOUND before the first piece; STORE_DAMAGED.
        """
        name = self._policies.find(store).name
        with self._catalogue.snapshot() as snapshot:
            require_selected(snapshot, name, selector, (State.CURRENT,))
            # Eight bytes each: a study may have tens of thousands, and many may be read at once.
            object_ids = array("q", snapshot.select(name, selector, (State.CURRENT,)))
        start = 0
        while start < len(object_ids):
            count = min(_A_PAGE, self.piece_bytes // _INSTANCE_BYTES)
            for instance in self._page(object_ids[start : start + count]):
                yield from self._pieces(instance, 0, instance.size_bytes)
            start += count

    def header(self, store: str, sop_instance_uid: str, version: str) -> tuple[Instance, bytes]:
        """An instance and its header as DICOM JSON. Raises INSTANCE_NOT_FOUND."""
        instance = self.find(store, sop_instance_uid, version)
        with self._catalogue.snapshot() as snapshot:
            header = snapshot.header(instance.object_id)
        if header is None:
            raise _not_found()
        return instance, zlib.decompress(header)

    def missing(self, store: str, wanted: Sequence[tuple[str, bytes]]) -> list[str]:
        """Which SOP Instance UIDs are not held: with the data set's digest given with it or, for b"", at all."""
        name = self._policies.find(store).name
        with self._catalogue.snapshot() as snapshot:
            held = snapshot.digests(name, [uid for uid, digest in wanted if digest])
            current = snapshot.current_uids(name, [uid for uid, digest in wanted if not digest])
        return [uid for uid, digest in wanted if ((uid, digest) not in held if digest else uid not in current)]

    def _page(self, object_ids: Sequence[int]) -> list[Instance]:
        """In the order of the ids; without those deleted meanwhile."""
        with self._catalogue.snapshot() as snapshot:
            found = {instance.object_id: instance for instance in snapshot.by_ids(object_ids)}
        page = [found[object_id] for object_id in object_ids]
        return [instance for instance in page if instance.state in (State.CURRENT, State.OLDER)]

    def _pieces(self, instance: Instance, offset: int, end: int) -> Generator[Piece, None, bool]:
        """False, and none, when it was deleted and purged since it was found."""
        reader = self._open(instance)
        if reader is None:
            return False
        first: Instance | None = instance
        with closing(reader), self._readers as readers:
            while first or offset < end:
                start, size = offset, min(readers.piece_bytes, end - offset)
                offset += size
                # Not held here: who takes it may stall with it.
                yield Piece(first, self._read(reader, instance, start, size), offset >= end)
                first = None
        return True

    def _open(self, instance: Instance) -> ObjectReader | None:
        """Its bytes; None when it was deleted and purged since it was found."""
        if instance.damaged:
            raise damaged(instance.sop_instance_uid)
        try:
            return self._objects.open(instance.store, instance.object_id)
        except OSError as error:
            if self._is_purged(instance):
                return None
            raise from_read(error, instance.sop_instance_uid) from error

    def _read(self, reader: ObjectReader, instance: Instance, offset: int, size: int) -> bytes:
        try:
            data = reader.read(offset, size)
        except OSError as error:
            failure = _not_found() if self._is_purged(instance) else from_read(error, instance.sop_instance_uid)
            raise failure from error
        if len(data) < size:
            raise damaged(instance.sop_instance_uid)
        return data

    def _is_purged(self, instance: Instance) -> bool:
        with self._catalogue.snapshot() as snapshot:
            (now,) = snapshot.by_ids([instance.object_id])
        return now.state == State.PURGED


def _not_found() -> DianaError:
    return DianaError(Reason.INSTANCE_NOT_FOUND, "The store holds no such instance.")
