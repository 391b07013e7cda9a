"""A service's own files: for their owner alone, whole after a power cut, used by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from diana_common.errors import DianaError
from diana_common.settings import config_invalid


class FolderLock:
    """Keeps a state directory from every other process until it is closed, or this process ends."""

    def __init__(self, folder: Path) -> None:
        """The folder is made if absent. Raises DianaError CONFIG_INVALID if another has it or it cannot be used."""
        try:
            make_directory(folder)
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


def make_directory(directory: Path) -> None:
    """Make a directory and its parents, durably, for nobody but us. Raises OSError."""
    if not directory.is_dir():
        make_directory(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        sync_directory(directory.parent)


def make_private_file(path: Path) -> None:
    """Make an empty file where there is none. What SQLite writes beside one takes its mode. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content, whole and durably. One writer at a time. Raises OSError."""
    make_directory(path.parent)
    partial = path.with_name(f"{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(description: str) -> DianaError:
    return config_invalid("state_dir", description)
