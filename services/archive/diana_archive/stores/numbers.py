"""Numbers that several processes take from one catalogue, each a block at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

_A_BLOCK = 1000


class Numbers:
    """Call it for the next number. What is left of a block when the process ends is never used."""

    def __init__(self, reserve: Callable[[int], int], block: int = _A_BLOCK) -> None:
        """`reserve` gives the first of so many numbers that nobody else gets."""
        self._reserve = reserve
        self._block = block
        self._lock = threading.Lock()
        self._next = self._end = 0

    def __call__(self) -> int:
        """The next one. Raises what `reserve` raises."""
        with self._lock:
            if self._next == self._end:
                first = self._reserve(self._block)
                self._next, self._end = first, first + self._block
            self._next += 1
            return self._next - 1
