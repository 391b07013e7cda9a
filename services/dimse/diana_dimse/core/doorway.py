"""The door as its administrators see it: where it takes associations, and which are open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class OpenAssociation:
    """An association that somebody has with us."""

    calling: str
    called: str
    address: str
    """The IP address that it comes from."""

    start_time: float
    """Seconds since 1970."""

    received_count: int
    """How many instances came over it."""


@dataclass(frozen=True)
class Doorway:
    """Where associations are taken, as host:port; empty where they are not."""

    address: str
    tls_address: str
    associations: Callable[[], Sequence[OpenAssociation]]
    """Those that are open now, the oldest first."""
