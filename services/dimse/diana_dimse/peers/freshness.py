"""What this door stored last, so that a query which comes after it finds it."""

from __future__ import annotations

import threading
from contextlib import suppress

from diana_client import Channel, IndexClient, MeshError

_SECONDS = 3.0
"""How long a query may be held up: an index that is rebuilt, or behind, answers with what it has."""


class Freshness:
    """The position in the archive's feed of what was stored, and up to where the index is known to have followed.

    Safe to share between threads.
    """

    def __init__(self, channel: Channel) -> None:
        """`channel`: to the index."""
        self._client = IndexClient(Channel(channel.raw, _SECONDS))
        self._lock = threading.Lock()
        self._stored: dict[str, str] = {}
        self._awaited: dict[str, str] = {}

    def stored(self, store: str, position: str) -> None:
        """Something is durable at this position."""
        with self._lock:
            self._stored[store] = position

    def wait(self, store: str) -> None:
        """Until the index knows what was stored here, for a short while. Never raises."""
        with self._lock:
            position = self._stored.get(store, "")
            if position == self._awaited.get(store, ""):
                return
        with suppress(MeshError):
            self._client.count("study", {"StudyInstanceUID": "0"}, store=store, at_least_position=position)
        with self._lock:
            self._awaited[store] = position
