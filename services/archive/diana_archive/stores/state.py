"""The state directory of one archive: opened by one process at a time, and put in order first."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from diana_archive.core.failures import from_open
from diana_archive.core.ports import Clock
from diana_archive.stores.catalogue import SqliteCatalogue, system_clock
from diana_archive.stores.files import FileObjects
from diana_archive.stores.mark import Mark
from diana_archive.stores.sidecars import FileSidecars
from diana_common.errors import DianaError, Reason
from diana_common.state_files import FolderLock, sync_directory


class StateDirectory:
    """`catalogue.sqlite`, `catalogue.mark`, `stores/` and `lock` under one directory.

    `swept` counts the orphans that were set aside; `restored` tells that the catalogue was put back from a copy.
    """

    def __init__(self, directory: Path, stores: Sequence[str], clock: Clock = system_clock) -> None:
        """Open it, created if need be, and put it in order.

        Raises DianaError CONFIG_INVALID when another process has it or it cannot be used, DISK_FULL, INTERNAL,
        STORE_DAMAGED when the catalogue is gone while its objects are there, or is no catalogue, STORE_SCHEMA_NEWER.
        """
        self._lock = FolderLock(directory)
        try:
            self._open(directory, stores, clock)
        except BaseException as error:
            self._lock.close()
            if isinstance(error, OSError | sqlite3.Error):
                raise from_open(error) from error
            raise

    def close(self) -> None:
        """Let another process have it."""
        self._lock.close()

    def _open(self, directory: Path, stores: Sequence[str], clock: Clock) -> None:
        self.objects = FileObjects(directory / "stores")
        self.sidecars = FileSidecars(directory / "stores")
        file = directory / "catalogue.sqlite"
        on_disk = _stores_on_disk(directory / "stores")
        highest = self.objects.highest_id(on_disk)
        existed = file.exists()
        if highest and not existed:
            raise DianaError(
                Reason.STORE_DAMAGED,
                "state_dir: objects are there, and their catalogue is not; put it back, or have it rebuilt.",
            )
        self.catalogue = SqliteCatalogue(file, stores, clock)
        sync_directory(directory)
        mark = Mark(file.with_suffix(".mark"), self.catalogue)
        self.restored = existed and not mark.fits()
        self.swept = 0
        if self.restored:
            # What it does not know may be what was acknowledged after the copy was made: nothing is swept.
            self.catalogue.renew_epoch()
        else:
            self.swept = self.objects.sweep(on_disk, self.catalogue.first_object_id(), self.catalogue.is_committed)
        self.objects.start(self.catalogue.reserve_object_ids(highest + 1))
        # Last: until then, a crash leaves what makes the next start see the same.
        mark.renew()
        self.catalogue.on_close(lambda: _renew(mark))


def _renew(mark: Mark) -> None:
    """So that a copy made while it ran is known for one. A disk that is full leaves the mark as it was."""
    with suppress(OSError, sqlite3.Error):
        mark.renew()


def _stores_on_disk(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
