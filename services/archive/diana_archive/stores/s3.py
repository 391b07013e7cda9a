"""Part 10 bytes and sidecars in a bucket, which several archive processes may share.

    bucket = Bucket("archive", endpoint="https://s3.hospital.example", credentials_file=Path("..."))
    objects = S3Objects(bucket, state_dir / "spool", next_number=..., compressed={"default"})
    sidecars = S3Sidecars(bucket)

Keys: `objects/STORE/ID.dcm`, `.dcm.zst` when compressed; `orphans/STORE/...` what was set aside;
`attributes/STORE/DIGEST.json`. Ids have 19 digits, so that a listing has them in order. An id is
made of a number as that of a file of its own (stores.pack_format), so that a backup in a directory can hold it. No
number is given twice: `next_number` answers for that, across all processes (the catalogue's `reserve_numbers`), and
starts above that of `highest_id`.
"""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from diana_archive.core.ports import Draft, ObjectReader
from diana_archive.stores.pack_format import join_id
from diana_archive.stores.packs import attempt
from diana_archive.stores.s3_bucket import Bucket
from diana_archive.stores.s3_draft import PLAIN, ZSTD, Desk, S3Draft, key
from diana_archive.stores.s3_reader import S3Reader
from diana_archive.stores.spool import Held, Spool, filled
from diana_archive.stores.zstd import SeekableReader
from diana_common.state_files import make_directory

_DAY = 86_400.0
_ID_BITS = 63
_A_PAGE = 1000
_PIECE = 1024 * 1024
_MOST_HELD = 128 * 1024
"""As much as the committer takes a change to weigh at least."""


class S3Objects:
    """core.ports.Objects in a bucket. `close` it after all that uses it."""

    def __init__(
        self,
        bucket: Bucket,
        spool_dir: Path,
        next_number: Callable[[], int],
        compressed: Collection[str] = (),
        settled_after_seconds: float = _DAY,
    ) -> None:
        """`compressed` names the stores whose objects are compressed. Raises OSError.

        What is younger than `settled_after_seconds` may be another process's draft; 0 when there is no other.
        """
        make_directory(spool_dir)
        self._bucket = bucket
        self._next_number = next_number
        self.settled_after_seconds = settled_after_seconds
        self._desk = Desk(bucket, spool_dir, frozenset(compressed))

    def check(self) -> None:
        """Raises ConnectionError when the bucket cannot be used."""
        self._bucket.check()

    def close(self) -> None:
        """Wait for what is being removed."""
        self._desk.pool.shutdown()
        self._desk.chores.shutdown()

    def stores(self) -> list[str]:
        """Names of the stores that have objects. Raises OSError."""
        return self._bucket.folders("objects")

    def highest_id(self, stores: Iterable[str]) -> int:
        """The highest object id in these stores, orphans included; 0 without any. Raises OSError.

        A listing goes forward only: it is asked what lies behind an id, bit by bit.
        """
        folders = [f"{kind}/{store}" for store in stores for kind in ("objects", "orphans")]
        return max(self._desk.chores.map(self._highest, folders), default=0)

    def ids(self, store: str, after_id: int = 0) -> Iterator[int]:
        """Ids of the objects after that one, in order. Raises OSError."""
        return (object_id for object_id, _ in self._listed(f"objects/{store}", after_id))

    def copy(self, store: str, object_id: int, reader: ObjectReader) -> None:
        """Put an object under an id in place of what is there, for a store that is put back. Raises OSError."""
        draft = S3Draft(self._desk, store, object_id, Spool(self._desk.spool_dir))
        try:
            while piece := reader.read(draft.size_bytes, _PIECE):
                draft.write(piece)
            self._bucket.delete(_names("objects", store, object_id))
            draft.finish()
            draft.put()
        finally:
            draft.close()

    def create(self, store: str) -> S3Draft:
        """See core.ports.Objects."""
        return self._draft(store, Spool(self._desk.spool_dir))

    def place(self, store: str, data: bytes) -> S3Draft:
        """See core.ports.Objects."""
        if len(data) <= _MOST_HELD:
            return filled(self._draft(store, Held()), data)
        return filled(self.create(store), data)

    def adopt(self, store: str, path: Path) -> S3Draft:
        """See core.ports.Objects."""
        return self._draft(store, Spool.of(path))

    def make_durable(self, drafts: Sequence[Draft]) -> list[OSError | None]:
        """See core.ports.Objects. All are put at the same time; large ones are there since they were finished."""
        ours = [draft for draft in drafts if isinstance(draft, S3Draft)]
        return list(self._desk.pool.map(lambda draft: attempt(draft.put), ours))

    def open(self, store: str, object_id: int) -> ObjectReader:
        """See core.ports.Objects. Larger ones than a few MiB don't stay readable when they are removed."""
        for suffix in (ZSTD, PLAIN) if store in self._desk.compressed else (PLAIN, ZSTD):
            with suppress(FileNotFoundError):
                reader = S3Reader(self._bucket, key("objects", store, object_id, suffix), self._desk.spool_dir)
                return SeekableReader(reader, reader.size_bytes, self._desk.spool_dir) if suffix == ZSTD else reader
        raise FileNotFoundError(errno.ENOENT, "no such object")

    def remove(self, objects: Sequence[tuple[str, int]]) -> list[OSError | None]:
        """See core.ports.Objects."""
        keys = [name for store, object_id in objects for name in _names("objects", store, object_id)]
        failure = attempt(lambda: self._bucket.delete(keys)) if keys else None
        return [failure] * len(objects)

    def settled(self, store: str, after_id: int, limit: int) -> list[int]:
        """See core.ports.Objects."""
        before_us = int((time.time() - self.settled_after_seconds) * 1_000_000)
        old = (id_ for id_, modified_us in self._listed(f"objects/{store}", after_id) if modified_us <= before_us)
        return list(islice(old, limit))

    def set_aside(self, store: str, object_ids: Sequence[int]) -> None:
        """See core.ports.Objects. Another process may have done it."""
        list(self._desk.chores.map(lambda object_id: self._set_aside(store, object_id), object_ids))

    def drop_orphans(self, before_us: int) -> int:
        """See core.ports.Objects."""
        old = (one.key for one in self._bucket.listing("orphans") if one.modified_us < before_us)
        dropped = 0
        while page := list(islice(old, _A_PAGE)):
            self._bucket.delete(page)
            dropped += len(page)
        return dropped

    def _draft(self, store: str, body: Held | Spool) -> S3Draft:
        try:
            return S3Draft(self._desk, store, join_id(self._next_number()), body)
        except BaseException:
            body.close()
            raise

    def _set_aside(self, store: str, object_id: int) -> None:
        for suffix in (PLAIN, ZSTD):
            place = key("objects", store, object_id, suffix)
            with suppress(FileNotFoundError):
                self._bucket.copy(place, key("orphans", store, object_id, suffix))
                self._bucket.delete([place])

    def _listed(self, folder: str, after_id: int) -> Iterator[tuple[int, int]]:
        """Ids and times of a folder's objects, by id, after that one."""
        # The last name that an id may have.
        for one in self._bucket.listing(folder, f"{folder}/{after_id:019d}{ZSTD}"):
            digits = one.key.rpartition("/")[2].partition(".")[0]
            if digits.isascii() and digits.isdigit():
                yield int(digits), one.modified_us

    def _highest(self, folder: str) -> int:
        low = 0
        if next(self._listed(folder, low), None) is None:
            return low
        for bit in reversed(range(_ID_BITS)):
            if next(self._listed(folder, low + (1 << bit) - 1), None):
                low += 1 << bit
        return low


class S3Sidecars:
    """core.ports.Sidecars in a bucket, named by a digest of the Study Instance UID."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def read(self, store: str, study_uid: str) -> bytes | None:
        """See core.ports.Sidecars. Raises OSError."""
        try:
            return self._bucket.get(_sidecar(store, study_uid))
        except FileNotFoundError:
            return None

    def write(self, store: str, study_uid: str, document: bytes) -> None:
        """See core.ports.Sidecars."""
        self._bucket.replace(_sidecar(store, study_uid), document)

    def remove(self, store: str, study_uid: str) -> None:
        """See core.ports.Sidecars. Raises OSError."""
        self._bucket.delete([_sidecar(store, study_uid)])


def _names(folder: str, store: str, object_id: int) -> tuple[str, str]:
    return key(folder, store, object_id, PLAIN), key(folder, store, object_id, ZSTD)


def _sidecar(store: str, study_uid: str) -> str:
    name = hashlib.sha256(study_uid.encode()).hexdigest()[:32]
    return f"attributes/{store}/{name}.json"
