"""The state directory of one archive: opened by one process at a time, and put in order first."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from diana_archive.core.ports import Clock
from diana_archive.stores.catalogue import SqliteCatalogue, system_clock
from diana_archive.stores.durable import make_directory, replace_file, sync_directory
from diana_archive.stores.files import FileObjects
from diana_archive.stores.sidecars import FileSidecars
from diana_common.errors import DianaError, Reason


class StateDirectory:
    """`catalogue.sqlite`, `catalogue.mark`, `stores/` and `lock` under one directory.

    `swept` counts the orphans that were removed; `restored` tells that the catalogue was put back from a copy.
    """

    def __init__(self, directory: Path, stores: Sequence[str], clock: Clock = system_clock) -> None:
        """Open it, created if need be, and put it in order.

        Raises DianaError CONFIG_INVALID when another process has it or it cannot be used,
        STORE_DAMAGED when the catalogue is gone while its objects are there, or is no catalogue, STORE_SCHEMA_NEWER.
        """
        try:
            make_directory(directory)
            self._lock = _lock(directory / "lock")
        except OSError as error:
            raise _invalid(f"cannot be used ({error.strerror})") from None
        try:
            self._open(directory, stores, clock)
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, sqlite3.DatabaseError):
                raise DianaError(Reason.STORE_DAMAGED, "state_dir: the catalogue cannot be read.") from error
            raise

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)

    def _open(self, directory: Path, stores: Sequence[str], clock: Clock) -> None:
        self.objects = FileObjects(directory / "stores")
        self.sidecars = FileSidecars(directory / "stores")
        file = directory / "catalogue.sqlite"
        on_disk = _stores_on_disk(directory / "stores")
        highest = self.objects.highest_id(on_disk)
        existed = file.exists()
        if highest and not existed:
            raise DianaError(Reason.STORE_DAMAGED, "state_dir: objects are there, and their catalogue is not.")
        self.catalogue = SqliteCatalogue(file, stores, clock)
        sync_directory(directory)
        self.restored = existed and not _is_marked(file)
        self.swept = 0
        if self.restored:
            # What it does not know may be what was acknowledged after the copy was made: nothing is swept.
            self.catalogue.renew_epoch()
        else:
            self.swept = self.objects.sweep(on_disk, self.catalogue.first_object_id(), self.catalogue.is_committed)
        self.objects.start(self.catalogue.reserve_object_ids(highest + 1))
        replace_file(_mark(file), str(file.stat().st_ino).encode())


def _mark(catalogue: Path) -> Path:
    return catalogue.with_suffix(".mark")


def _is_marked(catalogue: Path) -> bool:
    """Whether it is the very file of last time: a copy that was put back has another inode."""
    try:
        return _mark(catalogue).read_bytes() == str(catalogue.stat().st_ino).encode()
    except FileNotFoundError:
        return False


def _stores_on_disk(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise _invalid("is in use by another process") from None
    return descriptor


def _invalid(what: str) -> DianaError:
    return DianaError(Reason.CONFIG_INVALID, f"state_dir: the directory {what}.")
