"""A state directory whose catalogue is lost, while a new one is made beside its objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from diana_archive.core.ports import Clock
from diana_archive.stores.catalogue import SqliteCatalogue, system_clock
from diana_archive.stores.files import FileObjects
from diana_archive.stores.sidecars import FileSidecars
from diana_common.settings import config_invalid
from diana_common.state_files import FolderLock, sync_directory

_SUFFIXES = ("", "-wal", "-shm")


class LostCatalogue:
    """The stores of a state directory and an empty catalogue, which takes its place when it is adopted.

    A crash before that leaves the directory as it was. Without a mark beside it the catalogue counts as restored at
    the next start (stores.mark), so that followers begin anew.
    """

    def __init__(self, directory: Path, stores: Sequence[str], clock: Clock = system_clock) -> None:
        """Raises DianaError CONFIG_INVALID if a catalogue is there, or another process is; OSError, sqlite3.Error."""
        self._directory = directory
        self._lock = FolderLock(directory)
        try:
            self._open(directory, stores, clock)
        except BaseException:
            self._lock.close()
            raise

    def adopt(self) -> None:
        """Put the catalogue in its place, durably. Nothing else may be done with it after that but `close`."""
        self.catalogue.close()
        self._made.rename(self._place)
        sync_directory(self._directory)

    def close(self) -> None:
        """Let another process have the directory."""
        self.catalogue.close()
        self._lock.close()

    def _open(self, directory: Path, stores: Sequence[str], clock: Clock) -> None:
        self._place = directory / "catalogue.sqlite"
        self._made = directory / "catalogue.anew.sqlite"
        if self._place.exists():
            raise config_invalid("state_dir", "a catalogue is there; move it away to have another one made")
        for suffix in _SUFFIXES:
            self._made.with_name(self._made.name + suffix).unlink(missing_ok=True)
        root = directory / "stores"
        self.stores = sorted({*stores, *(path.name for path in root.iterdir() if path.is_dir())})
        self.objects = FileObjects(root)
        self.sidecars = FileSidecars(root)
        self.catalogue = SqliteCatalogue(self._made, self.stores, clock)
        self.objects.start(self.catalogue.reserve_object_ids(self.objects.highest_id(self.stores) + 1))
