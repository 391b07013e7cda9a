"""A backup in a directory, laid out as a state directory is, so that it can be put in the place of one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from diana_archive.core.model import Instance
from diana_archive.core.ports import ObjectReader
from diana_archive.core.walking import unknown_objects
from diana_archive.stores.catalogue import SqliteCatalogue
from diana_archive.stores.files import FileObjects
from diana_archive.stores.sidecars import FileSidecars
from diana_common.state_files import make_directory, sync_directory

_SUFFIXES = ("", "-wal", "-shm")


def _is_same(one: Instance, other: Instance) -> bool:
    return (one.store, one.prefix_sha256, one.data_set_sha256) == (
        other.store,
        other.prefix_sha256,
        other.data_set_sha256,
    )


class DirectoryBackup:
    """core.ports.Backup under `root`."""

    def __init__(self, root: Path, catalogue: SqliteCatalogue) -> None:
        self._root = root
        self._catalogue = catalogue
        self._place = root / "catalogue.sqlite"
        self._copy = root / "catalogue.partial.sqlite"
        self._before: SqliteCatalogue | None = None
        self._objects = FileObjects(root / "stores")
        self._sidecars = FileSidecars(root / "stores")
        self._noted: set[Path] = set()

    def begin(self) -> SqliteCatalogue:
        """See core.ports.Backup."""
        make_directory(self._root)
        self._remove(self._copy)
        self._catalogue.copy_to(self._copy)
        if self._place.exists():
            self._before = SqliteCatalogue(self._place, ())
        return SqliteCatalogue(self._copy, ())

    def has(self, instance: Instance) -> bool:
        """See core.ports.Backup."""
        if self._before is None:
            return False
        with self._before.snapshot() as snapshot:
            same = any(map(partial(_is_same, instance), snapshot.by_ids([instance.object_id])))
        return same and self._objects.has(instance.store, instance.object_id, instance.size_bytes)

    def add(self, store: str, object_id: int, reader: ObjectReader) -> None:
        """See core.ports.Backup."""
        self._objects.copy(store, object_id, reader)

    def add_sidecar(self, store: str, study_uid: str, document: bytes | None) -> None:
        """See core.ports.Backup."""
        if document is None:
            return
        self._noted.add(self._sidecars.path(store, study_uid))
        if self._sidecars.read(store, study_uid) != document:
            self._sidecars.write(store, study_uid, document)

    def adopt(self, stores: Sequence[str]) -> None:
        """See core.ports.Backup."""
        for directory in (*self._root.glob("stores/*/objects/*"), *self._root.glob("stores/*/packs")):
            sync_directory(directory)
        place, before = self._place, self._before
        if before:
            before.close()
        for suffix in _SUFFIXES[1:]:
            place.with_name(place.name + suffix).unlink(missing_ok=True)
        self._copy.replace(place)
        sync_directory(self._root)
        self._remove_unknown(place, stores)

    def _remove_unknown(self, place: Path, stores: Sequence[str]) -> None:
        catalogue = SqliteCatalogue(place, ())
        self._objects.start(catalogue.reserve_object_ids(self._objects.highest_id(stores) + 1))
        for store in stores:
            for unknown in unknown_objects(catalogue, self._objects, store):
                self._objects.remove([(store, one) for one in unknown])
        catalogue.close()
        for path in self._root.glob("stores/*/attributes/*/*.json"):
            if path not in self._noted:
                path.unlink()

    def _remove(self, database: Path) -> None:
        for suffix in _SUFFIXES:
            database.with_name(database.name + suffix).unlink(missing_ok=True)
