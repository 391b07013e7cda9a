"""Stores whose catalogue is lost, while a new one is made beside their objects."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from diana_archive.core.ports import Clock
from diana_archive.stores.catalogue import SqliteCatalogue, system_clock
from diana_archive.stores.files import FileObjects
from diana_archive.stores.numbers import Numbers
from diana_archive.stores.pack_format import split_id
from diana_archive.stores.postgres import PostgresCatalogue
from diana_archive.stores.s3 import S3Objects, S3Sidecars
from diana_archive.stores.s3_bucket import Bucket
from diana_archive.stores.sidecars import FileSidecars
from diana_archive.stores.state import stores_on_disk
from diana_common.settings import config_invalid
from diana_common.state_files import FolderLock, sync_directory

_SUFFIXES = ("", "-wal", "-shm")


class LostCatalogue:
    """Stores and an empty catalogue, which takes the place of the lost one when it is adopted.

    A crash before that leaves a state directory as it was; in PostgreSQL it leaves a catalogue that no archive takes
    for one. Without a mark beside it a catalogue counts as restored at the next start (stores.mark), so that followers
    begin anew.
    """

    def __init__(
        self,
        directory: Path,
        stores: Sequence[str],
        clock: Clock = system_clock,
        *,
        catalogue_url: str = "",
        bucket: Bucket | None = None,
    ) -> None:
        """No URL: SQLite; no bucket: files.

        Raises DianaError CONFIG_INVALID if a catalogue is there, or another process is; OSError, sqlite3.Error,
        psycopg.Error.
        """
        self._opened = ExitStack()
        self._opened.callback(FolderLock(directory).close)
        self._place = directory / "catalogue.sqlite"
        self._made = directory / "catalogue.anew.sqlite"
        self._url = catalogue_url
        self._clock = clock
        try:
            if bucket is None:
                self._open_files(directory, stores)
            else:
                self._open_bucket(bucket, directory, stores)
        except BaseException:
            self.close()
            raise

    def adopt(self) -> None:
        """Put the catalogue in its place, durably. Nothing else may be done with it after that but `close`."""
        self.catalogue.set_whole(True)
        self.catalogue.close()
        if not self._url:
            self._made.rename(self._place)
            sync_directory(self._place.parent)

    def close(self) -> None:
        """Let another process have the directory."""
        self._opened.close()

    def _open_files(self, directory: Path, stores: Sequence[str]) -> None:
        root = directory / "stores"
        self.stores = sorted({*stores, *stores_on_disk(directory)})
        objects = FileObjects(root)
        self.objects: FileObjects | S3Objects = objects
        self.sidecars: FileSidecars | S3Sidecars = FileSidecars(root)
        self._open_catalogue(1)
        objects.start(self.catalogue.reserve_object_ids(objects.highest_id(self.stores) + 1))

    def _open_bucket(self, bucket: Bucket, directory: Path, stores: Sequence[str]) -> None:
        numbers = Numbers(lambda count: self.catalogue.reserve_numbers(count))
        # Nobody else is at work: whatever is there is settled.
        objects = S3Objects(bucket, directory / "spool", numbers, settled_after_seconds=0.0)
        self._opened.callback(objects.close)
        self.stores = sorted({*stores, *objects.stores()})
        self.objects, self.sidecars = objects, S3Sidecars(bucket)
        self._open_catalogue(split_id(objects.highest_id(self.stores))[0] + 1)

    def _open_catalogue(self, least_number: int) -> None:
        self.catalogue: SqliteCatalogue | PostgresCatalogue
        if self._url:
            outside = PostgresCatalogue(self._url, self.stores, self._clock, alone=True, least_number=least_number)
            self._opened.callback(outside.close)
            if not outside.created:
                raise config_invalid("catalogue_url", "a catalogue is there; name an empty database to have one made")
            self.catalogue = outside
        else:
            if self._place.exists():
                raise config_invalid("state_dir", "a catalogue is there; move it away to have another one made")
            for suffix in _SUFFIXES:
                self._made.with_name(self._made.name + suffix).unlink(missing_ok=True)
            self.catalogue = SqliteCatalogue(self._made, self.stores, self._clock, least_number)
            self._opened.callback(self.catalogue.close)
        self.catalogue.set_whole(False)
