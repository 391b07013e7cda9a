"""What the archive does by itself.

It declares studies complete, on evidence or when they are quiet, purges what was deleted long ago, deletes what is kept
for long enough, makes room where a quota asks for it, and drops uploads that nobody goes on with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from diana_archive.core.completing import Completing
from diana_archive.core.deleting import Deleting
from diana_archive.core.model import StorePolicy
from diana_archive.core.parts import Resuming
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Catalogue, Clock, Meter, Objects
from diana_archive.core.retiring import Retiring

_TICK_SECONDS = 1.0
_RETENTION_EVERY_US = 60 * 1_000_000
_UNCLAIMED_EVERY_US = 3600 * 1_000_000
_ORPHANS_EVERY_US = 3600 * 1_000_000
_ORPHANS_KEPT_US = 7 * 86_400 * 1_000_000


class Upkeep:
    """A thread that looks about once a second; `look` does one round."""

    def __init__(
        self,
        catalogue: Catalogue,
        objects: Objects,
        completing: Completing,
        deleting: Deleting,
        retiring: Retiring,
        resuming: Resuming,
        policies: Policies,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._catalogue = catalogue
        self._objects = objects
        self._completing = completing
        self._deleting = deleting
        self._retiring = retiring
        self._resuming = resuming
        self._policies = policies
        self._clock = clock
        self._meter = meter
        self._orphans_due_us = 0
        self._unclaimed_due_us: dict[str, int] = {}
        self._retention_due_us: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, after the round that runs."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Do all that is due now. What fails is told, and holds up nothing else."""
        duties = (
            self._completing.complete_on_evidence,
            self._completing.complete_quiet,
            self._drop_unclaimed,
            self._purge,
            self._end_retention,
            self._retiring.make_room,
        )
        for policy in self._policies.all():
            for duty in duties:
                self._attempt(partial(duty, policy, self._clock()))
        self._attempt(self._remove_purged)
        self._attempt(self._drop_orphans)
        self._attempt(self._resuming.expire)

    def _run(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            # Not even a log that cannot be written may end this thread.
            with suppress(Exception):
                self.look()

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # a full disk now is none in a second, perhaps
            self._meter.failed(error)

    def _drop_unclaimed(self, policy: StorePolicy, now_us: int) -> None:
        if now_us >= self._unclaimed_due_us.get(policy.name, 0):
            self._completing.drop_unclaimed(policy, now_us)
            self._unclaimed_due_us[policy.name] = now_us + _UNCLAIMED_EVERY_US

    def _end_retention(self, policy: StorePolicy, now_us: int) -> None:
        if now_us >= self._retention_due_us.get(policy.name, 0) and self._retiring.end_retention(policy, now_us):
            self._retention_due_us[policy.name] = now_us + _RETENTION_EVERY_US

    def _purge(self, policy: StorePolicy, now_us: int) -> None:
        with self._catalogue.snapshot() as snapshot:
            due = snapshot.expired(policy.name, now_us - policy.grace_us, 1)
        while due and self._deleting.purge_expired(policy) and not self._stop.is_set():
            pass

    def _remove_purged(self) -> None:
        after, failures = self._deleting.remove_purged(0)
        while after and not self._stop.is_set():
            if failures:
                # One a thousand is enough to tell what is wrong.
                self._meter.failed(failures[0])
            after, failures = self._deleting.remove_purged(after)

    def _drop_orphans(self) -> None:
        now = self._clock()
        if now >= self._orphans_due_us:
            self._orphans_due_us = now + _ORPHANS_EVERY_US
            self._objects.drop_orphans(now - _ORPHANS_KEPT_US)
