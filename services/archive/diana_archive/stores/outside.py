"""An archive's state of which some lies outside its state directory: the catalogue in PostgreSQL, objects in S3."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from diana_archive.core.failures import from_open
from diana_archive.core.ports import Clock
from diana_archive.stores.catalogue import SqliteCatalogue, system_clock
from diana_archive.stores.files import FileObjects
from diana_archive.stores.mark import Mark
from diana_archive.stores.numbers import Numbers
from diana_archive.stores.pack_format import split_id
from diana_archive.stores.postgres import PostgresCatalogue
from diana_archive.stores.s3 import S3Objects, S3Sidecars
from diana_archive.stores.s3_bucket import Bucket
from diana_archive.stores.sidecars import FileSidecars
from diana_archive.stores.state import catalogue_lost, highest_id, put_in_order
from diana_archive.stores.syncing import syncing
from diana_common.errors import DianaError, Reason
from diana_common.state_files import FolderLock, sync_directory


class OutsideState:
    """The stores of one archive process, with a `lock` and what is under way in its own state directory.

    With both the catalogue and the objects outside, several processes share them, and none sweeps at its start
    what may be another's: a verification finds it. Otherwise there is one process, as ever.
    """

    catalogue: SqliteCatalogue | PostgresCatalogue
    objects: FileObjects | S3Objects
    sidecars: FileSidecars | S3Sidecars

    def __init__(
        self,
        directory: Path,
        stores: Sequence[str],
        clock: Clock = system_clock,
        *,
        catalogue_url: str = "",
        bucket: Bucket | None = None,
        compressed: Sequence[str] = (),
        outlives_power_cuts: bool = True,
    ) -> None:
        """Open it, created if need be. No URL: SQLite; no bucket: files. PostgreSQL and S3 outlive power cuts always.

        Raises DianaError as StateDirectory does, and PEER_UNAVAILABLE; psycopg.Error.
        """
        self._opened = ExitStack()
        self._opened.callback(FolderLock(directory).close)
        self._directory = directory
        self._stores = stores
        self._clock = clock
        self._url = catalogue_url
        self._outlives_power_cuts = outlives_power_cuts
        self.swept = 0
        self.restored = False
        try:
            if bucket is None:
                self._open_files(compressed)
            else:
                self._open_bucket(bucket, compressed)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | sqlite3.Error):
                raise from_open(error) from error
            raise

    def close(self) -> None:
        """Close what is still open, and let another process have the directory."""
        self._opened.close()

    def _open_files(self, compressed: Sequence[str]) -> None:
        root = self._directory / "stores"
        objects = FileObjects(root, compressed=compressed, syncing=syncing(self._outlives_power_cuts))
        self._opened.callback(objects.close)
        self.objects, self.sidecars = objects, FileSidecars(root)
        self.catalogue, existed = self._open_catalogue(lambda: highest_id(objects, self._directory) > 0, 1, alone=True)
        self.swept, self.restored = put_in_order(self._directory, self.catalogue, objects, existed)

    def _open_bucket(self, bucket: Bucket, compressed: Sequence[str]) -> None:
        numbers = Numbers(lambda count: self.catalogue.reserve_numbers(count))
        objects = S3Objects(bucket, self._directory / "spool", numbers, compressed)
        self._opened.callback(objects.close)
        self.objects, self.sidecars = objects, S3Sidecars(bucket)
        # What a catalogue that was lost or put back does not know must not be written over.
        highest, _ = split_id(objects.highest_id({*self._stores, *objects.stores()}))
        self.catalogue, existed = self._open_catalogue(lambda: highest > 0, highest + 1, alone=False)
        if isinstance(self.catalogue, PostgresCatalogue):
            self.restored = self.catalogue.restored
            return
        mark = Mark(self._directory / "catalogue.mark", self.catalogue)
        self.restored = existed and not mark.fits()
        if self.restored:
            self.catalogue.renew_epoch()
        mark.renew()
        self.catalogue.on_close(mark.renew_if_possible)

    def _open_catalogue(
        self, has_objects: Callable[[], bool], least_number: int, alone: bool
    ) -> tuple[SqliteCatalogue | PostgresCatalogue, bool]:
        """The catalogue, and whether it existed. Raises STORE_DAMAGED when it did not, and there are objects."""

        def may_create() -> None:
            if has_objects():
                raise catalogue_lost()

        if self._url:
            catalogue = PostgresCatalogue(
                self._url, self._stores, self._clock, alone=alone, may_create=may_create, least_number=least_number
            )
            self._opened.callback(catalogue.close)
            if not catalogue.is_whole():
                raise DianaError(
                    Reason.STORE_DAMAGED,
                    "catalogue_url: its rebuild was cut short; name an empty database, and have it rebuilt.",
                )
            return catalogue, not catalogue.created
        file = self._directory / "catalogue.sqlite"
        existed = file.exists()
        if not existed:
            may_create()
        embedded = SqliteCatalogue(file, self._stores, self._clock, least_number, self._outlives_power_cuts)
        self._opened.callback(embedded.close)
        sync_directory(self._directory)
        return embedded, existed
