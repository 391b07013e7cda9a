"""What the rules need of the process that they run in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from diana_archive.core.model import Stored
from diana_common.errors import DianaError

Clock = Callable[[], int]
"""Now, in microseconds since 1970 UTC."""


class Meter(Protocol):
    """Told of what happens, for metrics and logs, once it is answered."""

    def stored(self, stored: Stored) -> None:
        """An instance is durable."""

    def refused(self, error: DianaError) -> None:
        """An instance was refused."""

    def committed(self, changes: int) -> None:
        """A batch was committed."""

    def waiting(self, changes: int) -> None:
        """So many changes wait for the committer."""

    def failed(self, error: Exception) -> None:
        """Something failed that should not; the caller only learns that it did."""
