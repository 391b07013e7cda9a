"""What a store holds of an item, and where what we change there comes from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

from diana.archive.v1.resources_pb2 import CONFLICT_POLICY_KEEP_BOTH, Instance
from diana.type.v1.origin_pb2 import Origin
from diana_client import ArchiveClient, NotFound
from diana_common.attempts import Postponed, Refused
from diana_endpoints.items import BytesContent, Content
from diana_endpoints.pieces import PiecesContent
from diana_route.core.model import FileItem, InstanceItem, Item, Job, StudyItem
from diana_route.core.trails import DOOR, way_text
from diana_route.peers.faults import attempted

ARCHIVE = "the archive"
TARGET = "archive"
"""What fails together with the archive; see core.actions.Action."""

SMALL_BYTES = 1024 * 1024
"""What is larger is not held in memory."""

_BATCH = 500

StoredItem = StudyItem | InstanceItem


class Held(NamedTuple):
    """An instance of a store, as it is now."""

    study_uid: str
    series_uid: str
    sop_instance_uid: str
    data_set_sha256: bytes
    size: int
    version: str
    store_time: float
    """Seconds since the epoch."""


@runtime_checkable
class Confirming(Protocol):
    """An action that makes something of an item elsewhere, so that the item may be deleted where it was."""

    def confirmed(self, job: Job, number: int, held: Sequence[Held]) -> frozenset[str]:
        """Those of the instances, by SOP Instance UID, that are surely where the job's step of that number took them.

        It asks the other side anew. Raises Failed where that cannot be asked.
        """
        ...


def origin(job: Job) -> Origin:
    """What bears it is the job's work: its rule ignores it, and so do those that led to it, wherever they are."""
    return Origin(door=DOOR, rule=job.rule, operation=job.name, source=way_text(job.trail))


def stored(item: Item) -> StoredItem:
    """Raises Refused for a file."""
    if isinstance(item, FileItem):
        raise Refused("a file that is not stored cannot be sent, de-identified or deleted from a store")
    return item


def study(item: Item) -> StudyItem:
    """Raises Refused for what is none."""
    if not isinstance(item, StudyItem):
        raise Refused("it takes a study, not a single instance or a file")
    return item


def held(archive: ArchiveClient, item: StoredItem) -> list[Held]:
    """The current instances of a study, or an instance; none where there are no more. Raises Failed."""
    with attempted(ARCHIVE):
        try:
            if isinstance(item, InstanceItem):
                return [_held(archive.header(item.sop_instance_uid, store=item.store).instance)]
            return [_held(one) for one in archive.instances(item.study_uid, store=item.store)]
        except NotFound as error:
            if error.reason not in ("STUDY_NOT_FOUND", "INSTANCE_NOT_FOUND"):
                raise
            return []


def older_versions(archive: ArchiveClient, item: StoredItem, current: Collection[str]) -> int:
    """How many of the instances have versions that are not current, where the store keeps such. Raises Failed."""
    with attempted(ARCHIVE):
        policies = {store.name: store.conflict_policy for store in archive.stores()}
        if policies.get(item.store) != CONFLICT_POLICY_KEEP_BOTH:
            return 0
        all_versions = archive.instances(item.study_uid, store=item.store, show_all=True)
        older = (one for one in all_versions if not one.current and not one.HasField("delete_time"))
        return len({one.sop_instance_uid for one in older}.intersection(current))


@contextmanager
def reading() -> Iterator[None]:
    """As `attempted`, for reading instances that were listed before: where one is gone, the list is made anew."""
    with attempted(ARCHIVE):
        try:
            yield
        except NotFound:
            raise Postponed("instances went while they were being read; it is asked again") from None


def small_then_large(
    archive: ArchiveClient, store: str, instances: Sequence[Held], may_go_on: Callable[[], bool]
) -> Generator[tuple[Held, Content], None, None]:
    """Instances of a store with their bytes: small ones off one stream, a single one of them held at a time; large ones
    are read when they are opened. Ends between two instances when it may not go on.

    Raises Failed, also while a content is read.
    """
    small = {one.sop_instance_uid: one for one in instances if one.size <= SMALL_BYTES}
    named = list(small)
    for start in range(0, len(named), _BATCH):
        batch = named[start : start + _BATCH]
        with reading(), closing(archive.download(sop_instance_uids=batch, store=store)) as downloads:
            for one in downloads:
                if not may_go_on():
                    return
                yield small[one.instance.sop_instance_uid], BytesContent(one.read())
    for large in (one for one in instances if one.size > SMALL_BYTES):
        if not may_go_on():
            return
        yield large, PiecesContent(large.size, partial(_pieces, archive, store, large))


def uids(some: Iterable[Held]) -> frozenset[str]:
    """Their SOP Instance UIDs."""
    return frozenset(one.sop_instance_uid for one in some)


def read_by_then(instances: Sequence[Held], time: float, count: int) -> frozenset[str]:
    """Those that an operation which was begun at a time, and read so many, has read: none that came later.

    Times of two services are compared: where their clocks differ by more than lies between, none counts as read.
    """
    before = uids(one for one in instances if one.store_time <= time)
    return before if len(before) <= count else frozenset()


def _pieces(archive: ArchiveClient, store: str, one: Held) -> Generator[bytes, None, None]:
    with reading(), closing(archive.read(one.sop_instance_uid, store=store, version=one.version)) as pieces:
        yield from pieces


def _held(instance: Instance) -> Held:
    return Held(
        instance.study_uid,
        instance.series_uid,
        instance.sop_instance_uid,
        instance.data_set_sha256,
        instance.size_bytes,
        instance.version,
        instance.store_time.ToNanoseconds() / 1e9,
    )
