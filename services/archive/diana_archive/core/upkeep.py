"""What the archive does by itself: it declares quiet studies complete and purges what was deleted long ago."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from diana_archive.core.committer import Committer
from diana_archive.core.deleting import Deleting
from diana_archive.core.model import CompletionReason, Origin, StorePolicy
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Catalogue, Changes, Clock, Meter, Objects

_TICK_SECONDS = 1.0
_A_ROUND = 500
_ORPHANS_EVERY_US = 3600 * 1_000_000
_ORPHANS_KEPT_US = 7 * 86_400 * 1_000_000


class Upkeep:
    """A thread that looks about once a second; `look` does one round."""

    def __init__(
        self,
        catalogue: Catalogue,
        objects: Objects,
        committer: Committer,
        deleting: Deleting,
        policies: Policies,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._catalogue = catalogue
        self._objects = objects
        self._committer = committer
        self._deleting = deleting
        self._policies = policies
        self._clock = clock
        self._meter = meter
        self._orphans_due_us = 0
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
        for policy in self._policies.all():
            self._attempt(lambda policy=policy: self._complete_quiet(policy))  # type: ignore[misc]
            self._attempt(lambda policy=policy: self._purge(policy))  # type: ignore[misc]
        self._attempt(self._remove_purged)
        self._attempt(self._drop_orphans)

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

    def _complete_quiet(self, policy: StorePolicy) -> None:
        """A study counts as quiet by when its last instance was stored, which survives restarts."""
        if not policy.quiet_us:
            return
        with self._catalogue.snapshot() as snapshot:
            quiet = snapshot.quiet(policy.name, self._clock() - policy.quiet_us, _A_ROUND)
        if not quiet:
            return

        def work(changes: Changes) -> None:
            # Asked again: something may have arrived before this transaction.
            for study_uid in changes.quiet(policy.name, changes.now_us - policy.quiet_us, _A_ROUND):
                changes.complete(policy.name, study_uid, CompletionReason.QUIET_PERIOD, Origin())

        self._committer.run(work)

    def _purge(self, policy: StorePolicy) -> None:
        with self._catalogue.snapshot() as snapshot:
            due = snapshot.expired(policy.name, self._clock() - policy.grace_us, 1)
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
