"""A directory for instances that are too large to hold in memory."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from diana_common.errors import DianaError, Reason

_SUFFIX = ".dcm"


class DiskSpool:
    """The core's `Spool`. What a killed process left in it is removed at the start; nobody else may write there."""

    def __init__(self, directory: Path) -> None:
        """Raises OSError where the directory cannot be made or read."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        for left in directory.glob(f"*{_SUFFIX}"):
            left.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self._directory / name

    def create(self) -> tuple[str, BinaryIO]:
        """A new file, unbuffered, and its name. Raises DianaError DISK_FULL."""
        name = uuid.uuid4().hex + _SUFFIX
        try:
            return name, open(self._directory / name, "xb", buffering=0)
        except OSError as error:
            raise DianaError(Reason.DISK_FULL, "The spool directory takes no more files.") from error

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no fault."""
        with suppress(OSError):
            (self._directory / name).unlink()
