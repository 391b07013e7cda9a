"""When peers last sent us something: a peer that is silent about a C-MOVE may be at work on it all the same."""

from __future__ import annotations

import time


class Arrivals:
    """By the names of peers. Safe to share between threads."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}

    def note(self, peer: str) -> None:
        """An instance came."""
        self._times[peer] = time.monotonic()

    def last(self, peer: str) -> float:
        """When the last one came, by the monotonic clock; 0 for none so far."""
        return self._times.get(peer, 0.0)
