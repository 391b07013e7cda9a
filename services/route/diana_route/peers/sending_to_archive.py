"""The action `send` to another archive of ours: what it lacks, told by digest, goes from stream to stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from diana.archive.v1.feed_pb2 import Evidence, SourceCount
from diana_client import ArchiveClient, MeshError, UploadItem
from diana_common.attempts import Postponed, Refused
from diana_endpoints.items import Item as Handed
from diana_endpoints.pieces import upload_source
from diana_route.core.model import InstanceItem, Item, Job, Task
from diana_route.core.rules import Send
from diana_route.peers.faults import attempted, failure
from diana_route.peers.held import SMALL_BYTES, Held, StoredItem, held, origin, reading, small_then_large, stored

ATTEMPT_SECONDS = 60.0
"""After which an attempt ends between two instances, so that others get their turn; the next one goes on there."""

_STREAM_SECONDS = 600.0
_ATTEMPTS = 2


class SendingToArchive:
    """Carries out one `send` of one rule to an archive. Idempotent by nature: what is there is not sent again."""

    def __init__(
        self, spec: Send, source: ArchiveClient, target: ArchiveClient, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """`stopping`: whether to end between two instances."""
        self._spec = spec
        self._from = source
        self._to = target
        self._stopping = stopping

    def target(self, item: Item) -> str:
        """See core.actions.Action."""
        return self._archive

    def carry_out(self, task: Task) -> None:
        """See core.actions.Action. Done when the other archive's store lacks nothing of it, by data set digest.

        A study has its plain attributes there too, and is complete.
        """
        item = stored(task.job.item)
        instances = held(self._from, item)
        if not instances:
            raise Refused("there is nothing left to send in its store")
        missing = self._missing(instances)
        failed = self._send(item.store, missing, task.job)
        refused = [error for error in failed if isinstance(failure(self._archive, error), Refused)]
        left = len(self._missing(missing))
        if not left:
            self._describe(item, len(instances), task.job)
        elif refused:
            words = ", ".join(sorted({error.reason or error.code.name for error in refused}))
            raise Refused(f"{self._archive} refused {len(refused)} of {len(instances)} instances ({words})")
        else:
            raise Postponed(f"{self._archive} has {len(instances) - left} of {len(instances)} instances")

    def confirmed(self, job: Job, number: int, held: Sequence[Held]) -> frozenset[str]:
        """See peers.held.Confirming: those that the store has, by data set digest."""
        missing = {one.sop_instance_uid for one in self._missing(held)}
        return frozenset(one.sop_instance_uid for one in held if one.sop_instance_uid not in missing)

    @property
    def _archive(self) -> str:
        return f"archive {self._spec.archive}"

    def _missing(self, instances: Sequence[Held]) -> list[Held]:
        if not instances:
            return []
        named = ((one.sop_instance_uid, one.data_set_sha256) for one in instances)
        with attempted(self._archive):
            missing = set(self._to.find_missing(named, store=self._spec.store))
        return [one for one in instances if one.sop_instance_uid in missing]

    def _send(self, store: str, missing: Sequence[Held], job: Job) -> list[MeshError]:
        """Send them, as far as time allows; why some did not get there."""
        until = time.monotonic() + ATTEMPT_SECONDS

        def may_go_on() -> bool:
            return not self._stopping() and time.monotonic() < until

        items = self._items(store, missing, may_go_on)
        with attempted(self._archive):
            uploaded = self._to.upload(
                items, store=self._spec.store, origin=origin(job), attempts=_ATTEMPTS, timeout=_STREAM_SECONDS
            )
            with closing(uploaded) as results:
                return [result.error for result in results if result.error is not None]

    def _describe(self, item: StoredItem, count: int, job: Job) -> None:
        """Tell of a study what is known of it here: its plain attributes, and its count, which completes it there."""
        if isinstance(item, InstanceItem):
            return
        with reading():
            attributes = dict(self._from.study(item.study_uid, store=item.store).attributes)
        with attempted(self._archive):
            evidence = Evidence(source_count=SourceCount(instance_count=count))
            if attributes:
                self._to.update_attributes(item.study_uid, attributes, store=self._spec.store, origin=origin(job))
            self._to.record_evidence(item.study_uid, evidence, store=self._spec.store, origin=origin(job))

    def _items(self, store: str, missing: Sequence[Held], may_go_on: Callable[[], bool]) -> Iterator[UploadItem]:
        """Large ones under a name, so that an upload that was cut goes on where it was."""
        with closing(small_then_large(self._from, store, missing, may_go_on)) as contents:
            for one, content in contents:
                named = f"route-{one.version}" if one.size > SMALL_BYTES else ""
                yield UploadItem(one.sop_instance_uid, upload_source(Handed(content=content)), one.size, named)
