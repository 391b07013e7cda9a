"""The state directory of one archive: opened by one process at a time, and put in order first."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from diana_archive.core.failures import from_open
from diana_archive.core.ports import Clock
from diana_archive.stores.catalogue import SqliteCatalogue, system_clock
from diana_archive.stores.files import FileObjects
from diana_archive.stores.mark import Mark
from diana_archive.stores.sidecars import FileSidecars
from diana_archive.stores.syncing import syncing
from diana_common.errors import DianaError, Reason
from diana_common.state_files import FolderLock, sync_directory

if TYPE_CHECKING:
    from diana_archive.stores.postgres import PostgresCatalogue


class StateDirectory:
    """`catalogue.sqlite`, `catalogue.mark`, `stores/` and `lock` under one directory (elsewhere: stores.outside).

    `swept` counts the orphans that were set aside; `restored` tells that the catalogue was put back from a copy.
    """

    def __init__(
        self,
        directory: Path,
        stores: Sequence[str],
        clock: Clock = system_clock,
        compressed: Sequence[str] = (),
        outlives_power_cuts: bool = True,
    ) -> None:
        """Open it, created if need be, and put it in order; `compressed` names the stores that are kept smaller.

        Unless what is committed `outlives_power_cuts`, it only outlives the process.
        Raises DianaError CONFIG_INVALID when another process has it or it cannot be used, DISK_FULL, INTERNAL,
        STORE_DAMAGED when the catalogue is gone while its objects are there, or is no catalogue, STORE_SCHEMA_NEWER.
        """
        self._lock = FolderLock(directory)
        try:
            self._open(directory, stores, clock, compressed, outlives_power_cuts)
        except BaseException as error:
            self._lock.close()
            if isinstance(error, OSError | sqlite3.Error):
                raise from_open(error) from error
            raise

    def close(self) -> None:
        """Let another process have it."""
        self.objects.close()
        self._lock.close()

    def _open(
        self, directory: Path, stores: Sequence[str], clock: Clock, compressed: Sequence[str], outlives_power_cuts: bool
    ) -> None:
        waiting = syncing(outlives_power_cuts)
        self.objects = FileObjects(directory / "stores", compressed=compressed, syncing=waiting)
        self.sidecars = FileSidecars(directory / "stores")
        file = directory / "catalogue.sqlite"
        existed = file.exists()
        if not existed and highest_id(self.objects, directory):
            raise catalogue_lost()
        self.catalogue = SqliteCatalogue(file, stores, clock, outlives_power_cuts=outlives_power_cuts)
        sync_directory(directory)
        self.swept, self.restored = put_in_order(directory, self.catalogue, self.objects, existed)


def put_in_order(
    directory: Path, catalogue: SqliteCatalogue | PostgresCatalogue, objects: FileObjects, existed: bool
) -> tuple[int, bool]:
    """Have files and their catalogue, which `existed` before or is new, go together.

    Returns how many orphans were set aside, and whether the catalogue was put back from a copy.
    Raises OSError, sqlite3.Error, psycopg.Error.
    """
    mark = Mark(directory / "catalogue.mark", catalogue)
    restored = existed and not mark.fits()
    swept = 0
    if restored:
        # What it does not know may be what was acknowledged after the copy was made: nothing is swept.
        catalogue.renew_epoch()
    else:
        swept = objects.sweep(stores_on_disk(directory), catalogue.line(), catalogue.committed)
    objects.start(catalogue.reserve_object_ids(highest_id(objects, directory) + 1))
    objects.waterline.begin(catalogue.write_line)
    catalogue.on_close(objects.waterline.close)
    # Last: until then, a crash leaves what makes the next start see the same.
    mark.renew()
    catalogue.on_close(mark.renew_if_possible)
    return swept, restored


def catalogue_lost() -> DianaError:
    """STORE_DAMAGED: there are objects and no catalogue of them."""
    return DianaError(
        Reason.STORE_DAMAGED,
        "state_dir: objects are there, and their catalogue is not; put it back, or have it rebuilt.",
    )


def highest_id(objects: FileObjects, directory: Path) -> int:
    """The highest object id in a state directory; 0 without any."""
    return objects.highest_id(stores_on_disk(directory))


def stores_on_disk(directory: Path) -> list[str]:
    """The stores that a state directory has files of."""
    root = directory / "stores"
    return [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
