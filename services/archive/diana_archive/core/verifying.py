"""Holding what lies in a store against the catalogue, both ways, and mending it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from diana_archive.core.committer import Committer
from diana_archive.core.failures import damaged, from_write
from diana_archive.core.model import Instance, State
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Catalogue, Changes, ObjectReader, Objects
from diana_archive.core.walking import unknown_objects
from diana_common.errors import DianaError

_PIECE = 1024 * 1024
_A_PAGE = 100


@dataclass(frozen=True, slots=True)
class Verified:
    """How far a verification is: object ids up to `after_id` are done."""

    after_id: int = 0
    instance_count: int = 0
    size_bytes: int = 0
    damaged_count: int = 0
    orphan_count: int = 0

    def to_bytes(self) -> bytes:
        """For an operation's checkpoint."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, checkpoint: bytes) -> Verified:
        """And back; the beginning from an empty one."""
        return cls(**json.loads(checkpoint)) if checkpoint else cls()


class Watcher(Protocol):
    """Who follows a verification; may raise to end it, at any of these."""

    def progress(self, done: int, total: int) -> None:
        """So many instances of so many."""

    def fail(self, item: str, error: DianaError) -> None:
        """An instance is damaged; `item` is its SOP Instance UID."""

    def reached(self, verified: Verified) -> None:
        """All of this need not be done again."""


@dataclass(frozen=True)
class Verifying:
    """Verifications of one archive."""

    catalogue: Catalogue
    objects: Objects
    committer: Committer
    policies: Policies
    page_size: int = field(default=_A_PAGE)

    def verify(self, store: str, repair: bool, begun: Verified, watcher: Watcher) -> Verified:
        """Read all that a store keeps, going on from `begun`.

        Raises STORE_UNKNOWN, PEER_UNAVAILABLE when the object store does not answer, and what the watcher raises.
        """
        name = self.policies.find(store).name
        with self.catalogue.snapshot() as snapshot:
            counts = snapshot.statistics(name)
        total = counts.instance_count + counts.hidden_count
        so_far = begun
        while page := self._page(name, so_far.after_id):
            broken: list[int] = []
            for instance in page:
                if not self._is_whole(instance):
                    broken.append(instance.object_id)
                    watcher.fail(instance.sop_instance_uid, damaged(instance.sop_instance_uid))
                so_far = _and(so_far, instance)
                watcher.progress(so_far.instance_count, max(total, so_far.instance_count))
            so_far = replace(so_far, damaged_count=so_far.damaged_count + len(broken))
            if broken and repair:
                self._mark(broken)
            watcher.reached(so_far)
        return replace(so_far, orphan_count=self._orphans(name, repair, watcher, so_far))

    def _page(self, store: str, after_id: int) -> list[Instance]:
        with self.catalogue.snapshot() as snapshot:
            return snapshot.kept(store, after_id, self.page_size)

    def _is_whole(self, instance: Instance) -> bool:
        if instance.damaged:
            return False
        try:
            with closing(self.objects.open(instance.store, instance.object_id)) as reader:
                return _agrees(reader, instance)
        except ConnectionError as error:
            raise from_write(error) from error
        except OSError:
            return self._is_purged(instance)

    def _is_purged(self, instance: Instance) -> bool:
        """Whether its bytes went by right since it was listed."""
        with self.catalogue.snapshot() as snapshot:
            (now,) = snapshot.by_ids([instance.object_id])
        return now.state == State.PURGED

    def _mark(self, object_ids: Sequence[int]) -> None:
        def work(changes: Changes) -> None:
            changes.mark_damaged(object_ids)

        self.committer.run(work)

    def _orphans(self, store: str, repair: bool, watcher: Watcher, so_far: Verified) -> int:
        """How many objects have no instance; they are set aside when it is to mend."""
        count = 0
        for orphans in unknown_objects(self.catalogue, self.objects, store):
            count += len(orphans)
            if orphans and repair:
                self.objects.set_aside(store, orphans)
            watcher.reached(so_far)
        return count


def _and(so_far: Verified, instance: Instance) -> Verified:
    return replace(
        so_far,
        after_id=instance.object_id,
        instance_count=so_far.instance_count + 1,
        size_bytes=so_far.size_bytes + instance.size_bytes,
    )


def _agrees(reader: ObjectReader, instance: Instance) -> bool:
    """Whether size and both digests are those that were acknowledged."""
    return (
        _digest(reader, 0, instance.data_set_offset) == instance.prefix_sha256
        and _digest(reader, instance.data_set_offset, instance.size_bytes) == instance.data_set_sha256
        and not reader.read(instance.size_bytes, 1)
    )


def _digest(reader: ObjectReader, start: int, end: int) -> bytes:
    """SHA-256 of a range; of what there is of it."""
    digest = hashlib.sha256()
    read: Callable[[int, int], bytes] = reader.read
    while start < end and (data := read(start, min(_PIECE, end - start))):
        digest.update(data)
        start += len(data)
    return digest.digest()
