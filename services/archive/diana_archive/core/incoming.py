"""One instance as it comes in: written as its chunks arrive, then read, checked and digested once."""

from __future__ import annotations

import hashlib
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from diana_archive.core.checksums import check_digest
from diana_archive.core.committer import Change
from diana_archive.core.failures import from_write
from diana_archive.core.headers import fit_header
from diana_archive.core.model import Known, Newcomer, Origin, Outcome, Stored, StorePolicy
from diana_archive.core.parts import Resuming
from diana_archive.core.ports import Catalogue, Contents, Draft, Objects, OpenDraft, Snapshot
from diana_archive.core.quotas import Quotas
from diana_archive.core.storing import Answer, Storing, check_conflict, find_same
from diana_common.errors import DianaError, Reason
from diana_common.header import Header, check_complete, scan

D = TypeVar("D", bound=Draft)
_MOST_OPEN = 8192
_LITTLE_BYTES = 32 * 1024
_LOCKED_BYTES = 2047
"""The most that hashlib digests without letting other threads run meanwhile."""
_GROUP_LENGTH = b"DICM\x02\x00\x00\x00UL\x04\x00"


@dataclass(frozen=True, slots=True)
class Desk:
    """What takes instances in: where bytes go, what is known, who commits, up to where the feed is published.

    `places` is how many instances of all streams may be open at a time: each holds a file. Without `resuming`
    no upload can be gone on with on another stream.
    """

    objects: Objects
    catalogue: Catalogue
    submit: Callable[[Change], None]
    head: Callable[[], int]
    max_instance_bytes: int
    places: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_MOST_OPEN))
    resuming: Resuming | None = None
    quotas: Quotas = field(default_factory=Quotas)


class Incoming:
    """An instance on its way in. Use it from one thread at a time; `discard` or `finish` ends it.

    Everything raises DianaError when the instance cannot be stored; nothing of it is left then.
    """

    def __init__(self, desk: Desk, policy: StorePolicy, origin: Origin) -> None:
        self.size_bytes = 0
        self.sha256 = b""
        """What all of it must digest to; empty when nobody said."""
        self._desk = desk
        self._policy = policy
        self._origin = origin
        self._draft: OpenDraft | None = None
        self._placed: Draft | None = None
        self._digests: Digests | None = None

    def write(self, data: bytes) -> None:
        """Take the next bytes; more will come."""
        self._count(data)
        draft = self._draft = self._draft or self._make(lambda: self._desk.objects.create(self._policy.name))
        with self._dropped_on_error(), disk_errors():
            if self._digests is None:
                self._digests = Digests(guess_data_set_offset(data))
            self._digests.update(data)
            draft.write(data)

    def finish(self, data: bytes, answer: Answer) -> None:
        """Take the last bytes; `answer` is called, here or by the committer, when it is durable or refused."""
        if self._draft:
            self.write(data)
            with self._dropped_on_error(), disk_errors():
                with self._draft.contents() as contents:
                    newcomer = self._read(contents)
                self._draft.finish()
        else:
            self._count(data)
            newcomer = self._read_and_place(data)
        if isinstance(newcomer, Newcomer):
            self._submit(newcomer, data, answer)
        else:
            self.discard()
            answer(newcomer)

    def discard(self) -> None:
        """Forget it."""
        if draft := self._draft or self._placed:
            draft.discard()
            self._leave()

    def give_up(self) -> None:
        """The rest does not come on this stream; nothing is kept."""
        self.discard()

    def _count(self, data: bytes) -> None:
        self.size_bytes += len(data)
        if self.size_bytes > self._desk.max_instance_bytes:
            self.discard()
            raise DianaError(
                Reason.INSTANCE_TOO_LARGE, f"The instance is larger than {self._desk.max_instance_bytes} bytes."
            )

    def _make(self, make: Callable[[], D]) -> D:
        self._desk.quotas.check(self._desk.catalogue, self._policy, self.size_bytes)
        if not self._desk.places.acquire(blocking=False):
            raise DianaError(Reason.OVERLOADED, "Too many instances are open at a time.")
        try:
            with disk_errors():
                return make()
        except BaseException:
            self._desk.places.release()
            raise

    def _leave(self) -> None:
        """Another has the draft now, or nobody."""
        self._draft = self._placed = None
        self._desk.places.release()

    def _read(self, contents: Contents) -> Newcomer | Stored:
        """What the bytes are, or what is stored already and the same."""
        header = self._scan(contents)
        return self._compare(header, self._known(header), contents)

    def _read_and_place(self, data: bytes) -> Newcomer | Stored:
        """As `_read`, of all the bytes. What cannot be stored yet is being written while it is digested."""
        header = self._scan(data)
        known = self._known(header)
        if not known:
            self._placed = self._place(data)
        with self._dropped_on_error():
            return self._compare(header, known, data)

    def _scan(self, contents: Contents) -> Header:
        if self.sha256:
            check_digest(hashlib.sha256(contents).digest(), self.sha256)
        header = scan(contents)
        check_complete(contents, header)
        return header

    def _known(self, header: Header) -> Sequence[Known]:
        return self._desk.catalogue.known(self._policy.name, header.sop_instance_uid)

    def _place(self, data: bytes) -> Draft:
        return self._make(lambda: self._desk.objects.place(self._policy.name, data))

    def _compare(self, header: Header, known: Sequence[Known], contents: Contents) -> Newcomer | Stored:
        digests = self._digests
        if digests is None or digests.offset != header.data_set_offset:
            digests = Digests(header.data_set_offset)
            digests.update(contents)
        prefix, data_set = digests.results()
        return self._stored_before(header, known, data_set) or make_newcomer(
            header, self._policy.name, self._origin, self.size_bytes, prefix, data_set
        )

    def _stored_before(self, header: Header, known: Sequence[Known], data_set_sha256: bytes) -> Stored | None:
        """Looked up early, so that what is there already is not written again."""
        store, uid = self._policy.name, header.sop_instance_uid
        same = find_same(known, header.transfer_syntax_uid, data_set_sha256)
        if same is None:
            check_conflict(known, self._policy.conflict, uid)
            return None
        with self._desk.catalogue.snapshot() as snapshot:
            instance = snapshot.instance(store, uid, same.version)
        # Deleted meanwhile, or its position committed and not yet published: the committer answers after that.
        if instance is None or instance.sequence > self._desk.head():
            return None
        return Stored(Outcome.ALREADY_STORED, instance)

    def _submit(self, newcomer: Newcomer, data: bytes, answer: Answer) -> None:
        draft: Draft = self._draft or self._placed or self._place(data)
        try:
            self._desk.submit(Storing(newcomer, draft, self._policy.conflict, answer, self._require_room))
        except BaseException:
            draft.discard()
            raise
        finally:
            self._leave()

    def _require_room(self, snapshot: Snapshot, size_bytes: int) -> None:
        self._desk.quotas.require_room(snapshot, self._policy, size_bytes)

    @contextmanager
    def _dropped_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.discard()
            raise


class Digests:
    """SHA-256 of what lies before and after the data set's first byte; of nothing while that is unknown."""

    def __init__(self, offset: int | None) -> None:
        self.offset = offset
        self._seen = 0
        self._prefix = hashlib.sha256()
        self._data_set = hashlib.sha256()

    def update(self, data: Contents) -> None:
        """Take the next bytes."""
        if self.offset is None:
            return
        with memoryview(data) as view:
            cut = max(0, min(len(view), self.offset - self._seen))
            with view[:cut] as before, view[cut:] as after:
                _digest(self._prefix, before)
                _digest(self._data_set, after)
            self._seen += len(view)

    def results(self) -> tuple[bytes, bytes]:
        """Digests of the prefix and of the data set."""
        return self._prefix.digest(), self._data_set.digest()


def _digest(digest: hashlib._Hash, data: memoryview) -> None:
    """Digest a little in pieces for which Python keeps its lock: to get it back would take longer than so few bytes."""
    if len(data) > _LITTLE_BYTES:
        digest.update(data)
        return
    for start in range(0, len(data), _LOCKED_BYTES):
        digest.update(data[start : start + _LOCKED_BYTES])


def guess_data_set_offset(head: bytes) -> int | None:
    """Where the data set begins, as File Meta Information Group Length (0002,0000) has it, which is not always so."""
    if head[128:140] != _GROUP_LENGTH or len(head) < 144:
        return None
    return int(144 + struct.unpack_from("<I", head, 140)[0])


def make_newcomer(
    header: Header, store: str, origin: Origin, size_bytes: int, prefix_sha256: bytes, data_set_sha256: bytes
) -> Newcomer:
    """What the catalogue is told of an instance whose bytes are written."""
    dicom_json = fit_header(header.dicom_json)
    return Newcomer(
        store=store,
        study_uid=header.study_uid,
        series_uid=header.series_uid,
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        transfer_syntax_uid=header.transfer_syntax_uid,
        size_bytes=size_bytes,
        data_set_offset=header.data_set_offset,
        data_set_sha256=data_set_sha256,
        prefix_sha256=prefix_sha256,
        header=zlib.compress(dicom_json, 1),
        header_bytes=len(dicom_json),
        origin=origin,
    )


@contextmanager
def disk_errors() -> Iterator[None]:
    """Around what touches the disk: its failures become errors a caller may see."""
    try:
        yield
    except OSError as error:
        raise from_write(error) from error
