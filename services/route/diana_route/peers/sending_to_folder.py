"""The action `send` into a folder: a Part 10 file for each instance."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Protocol

from diana_client import ArchiveClient, DownloadedInstance
from diana_common.attempts import Postponed, Refused
from diana_route.core.model import Item, Job, Task
from diana_route.core.rules import Send
from diana_route.peers.held import Held, held, reading, stored
from diana_route.peers.sending_to_archive import ATTEMPT_SECONDS

_BATCH = 500


class Folder(Protocol):
    """As diana_route.adapters.outgoing.OutgoingFolder."""

    def holds(self, uids: tuple[str, str, str], size: int, data_set_sha256: bytes) -> bool:
        """Whether an instance's file is there, of that size and data set. Raises Failed."""
        ...

    def write(self, uids: tuple[str, str, str], data_set_sha256: bytes, token: str, data: DownloadedInstance) -> None:
        """Write it, durably; it appears when it is whole, and replaces no other data set.

        Raises Failed, and what `data` raises.
        """
        ...


class SendingToFolder:
    """Carries out one `send` of one rule into a folder. Idempotent by nature: a file that is there as it should be, by
    size and data set digest, is left, and so is one of its name that has another data set."""

    def __init__(
        self, spec: Send, archive: ArchiveClient, folder: Folder, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """`stopping`: whether to end between two instances."""
        self._spec = spec
        self._archive = archive
        self._folder = folder
        self._stopping = stopping

    def target(self, item: Item) -> str:
        """See core.actions.Action."""
        return f"folder {self._spec.folder}"

    def carry_out(self, task: Task) -> None:
        """See core.actions.Action. Done when every file is there, written through to the disk."""
        item = stored(task.job.item)
        instances = held(self._archive, item)
        if not instances:
            raise Refused("there is nothing left to send in its store")
        missing = [one for one in instances if not self._holds(one)]
        written = self._write(item.store, missing, task.job.name.removeprefix("jobs/"))
        if written < len(missing):
            there = len(instances) - len(missing) + written
            raise Postponed(f"the folder has {there} of {len(instances)} instances")

    def confirmed(self, job: Job, number: int, held: Sequence[Held]) -> frozenset[str]:
        """See peers.held.Confirming: those whose files are there, read from the disk anew."""
        return frozenset(one.sop_instance_uid for one in held if self._holds(one))

    def _holds(self, one: Held) -> bool:
        return self._folder.holds(_uids(one), one.size, one.data_set_sha256)

    def _write(self, store: str, missing: Sequence[Held], token: str) -> int:
        """Write them, as far as time allows; how many."""
        until, written = time.monotonic() + ATTEMPT_SECONDS, 0
        for start in range(0, len(missing), _BATCH):
            named = [one.sop_instance_uid for one in missing[start : start + _BATCH]]
            with (
                reading(),
                closing(self._archive.download(sop_instance_uids=named, store=store)) as downloads,
            ):
                for one in downloads:
                    if self._stopping() or time.monotonic() >= until:
                        return written
                    instance = one.instance
                    uids = (instance.study_uid, instance.series_uid, instance.sop_instance_uid)
                    self._folder.write(uids, instance.data_set_sha256, token, one)
                    written += 1
        return written


def _uids(one: Held) -> tuple[str, str, str]:
    return one.study_uid, one.series_uid, one.sop_instance_uid
