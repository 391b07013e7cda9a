"""How far what is stored has gone when it is acknowledged: the one place of files that knows."""

from __future__ import annotations

import os
from pathlib import Path

from diana_common.state_files import sync_directory


class Syncing:
    """As far as the disk: a power cut takes nothing of it."""

    def file(self, descriptor: int) -> None:
        """Wait for what was written to a file. Raises OSError."""
        os.fdatasync(descriptor)

    def directory(self, directory: Path) -> None:
        """Wait for the names in a directory. Raises OSError."""
        sync_directory(directory)


class NoSyncing(Syncing):
    """As far as the system, which outlives this process and writes within about half a minute.

    A power cut takes what it has not written by then, and nobody is told of what it fails to write.
    """

    def file(self, descriptor: int) -> None:
        """Wait for nothing."""

    def directory(self, directory: Path) -> None:
        """Wait for nothing."""


def syncing(outlives_power_cuts: bool) -> Syncing:
    """What objects need to outlive power cuts, or the process alone."""
    return Syncing() if outlives_power_cuts else NoSyncing()
