"""The files of a state folder: for their owner alone, whole after a power cut, used by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from diana_common.errors import DianaError
from diana_common.settings import config_invalid


class FolderLock:
    """Keeps a folder from every other process until it is closed, or this process ends."""

    def __init__(self, folder: Path) -> None:
        """The folder is made if absent. Raises DianaError CONFIG_INVALID if another has it or it cannot be used."""
        try:
            make_folder(folder)
            self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(f"the directory cannot be used ({error.strerror})") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise _unusable("the directory is in use by another process") from None

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)


def make_folder(folder: Path) -> None:
    """Make it, and those above, where they are missing. Raises OSError."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def make_database(path: Path) -> None:
    """Make an empty file for SQLite where there is none; the log beside it takes its mode. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def remove_database(path: Path) -> None:
    """Remove a file of SQLite's, with what lies beside it. Raises OSError."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file so that a power cut leaves the old or the new content. Raises OSError."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unusable(description: str) -> DianaError:
    return config_invalid("state_dir", description)
