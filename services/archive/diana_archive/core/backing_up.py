"""Bringing a backup up to date while the archive goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from diana_archive.core.failures import DamagedObject
from diana_archive.core.model import Instance, State
from diana_archive.core.ports import Backup, Catalogue, Objects, Sidecars
from diana_archive.core.walking import study_uids

_A_PAGE = 200


@dataclass
class BackedUp:
    """What a backup holds, and what was copied for it."""

    instance_count: int = 0
    copied_count: int = 0
    copied_bytes: int = 0


class Progress(Protocol):
    """Who follows a backup; may raise to end it."""

    def progress(self, done: int, total: int) -> None:
        """So many instances of so many."""


@dataclass(frozen=True)
class BackingUp:
    """Backups of one archive. The catalogue is copied first, so that all it names is there or gone by right."""

    catalogue: Catalogue
    objects: Objects
    sidecars: Sidecars

    def back_up(self, backup: Backup, watcher: Progress) -> BackedUp:
        """Do it. Raises OSError, sqlite3.Error, what the watcher raises."""
        stores = self.catalogue.stores()
        done = BackedUp()
        with closing(backup.begin()) as copy:
            with copy.snapshot() as snapshot:
                counts = [snapshot.statistics(store) for store in stores]
            total = sum(one.instance_count + one.hidden_count for one in counts)
            for store in stores:
                for page in _kept(copy, store):
                    self._add(backup, copy, page, done)
                    watcher.progress(done.instance_count, max(total, done.instance_count))
                for study_uid in study_uids(copy, store):
                    backup.add_sidecar(store, study_uid, self.sidecars.read(store, study_uid))
        backup.adopt(stores)
        return done

    def _add(self, backup: Backup, copy: Catalogue, page: list[Instance], done: BackedUp) -> None:
        gone: list[int] = []
        for one in page:
            if not backup.has(one):
                if not self._copy(backup, one):
                    gone.append(one.object_id)
                    continue
                done.copied_count += 1
                done.copied_bytes += one.size_bytes
            done.instance_count += 1
        if gone:
            with copy.transaction() as changes:
                changes.purge(gone)

    def _copy(self, backup: Backup, instance: Instance) -> bool:
        """Whether it is kept; not when it was purged since.

        What is damaged is taken as it lies, and its row alone when nothing of it can be read.
        """
        try:
            with closing(self.objects.open(instance.store, instance.object_id)) as reader:
                backup.add(instance.store, instance.object_id, reader)
        except (FileNotFoundError, DamagedObject):
            with self.catalogue.snapshot() as snapshot:
                (now,) = snapshot.by_ids([instance.object_id])
            return now.state != State.PURGED
        return True


def _kept(copy: Catalogue, store: str) -> Iterator[list[Instance]]:
    after = 0
    while True:
        with copy.snapshot() as snapshot:
            page = snapshot.kept(store, after, _A_PAGE)
        if not page:
            return
        after = page[-1].object_id
        yield page
