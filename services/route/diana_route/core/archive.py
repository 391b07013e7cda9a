"""The archive's studies and instances, as rules ask about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from diana_common.conditions import Header
from diana_route.core.feed import Told


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A study as the archive has it now."""

    complete: bool
    attributes: Mapping[str, str]
    """Its plain attributes."""


class Holdings(Protocol):
    """What the archive holds. Every method may raise DianaError PEER_UNAVAILABLE."""

    def study(self, store: str, study_uid: str) -> StudySummary:
        """Raises STUDY_NOT_FOUND, STORE_UNKNOWN."""
        ...

    def first_headers(self, store: str, study_uid: str) -> Iterator[Header]:
        """The header of one instance of each series, as far as they are still there."""
        ...

    def instance(self, store: str, sop_instance_uid: str) -> tuple[str, Header]:
        """An instance's Study Instance UID and header. Raises INSTANCE_NOT_FOUND, STORE_UNKNOWN."""
        ...

    def stored(self, store: str, sop_instance_uid: str) -> Told | None:
        """How the feed told that an instance was stored, without its header; None where it no longer does, as after a
        rebuild. Raises as `instance`."""
        ...
