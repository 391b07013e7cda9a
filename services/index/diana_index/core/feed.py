"""The archive as the index knows it: its change feed, and the header of an instance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Omitted(Enum):
    """Why an entry comes without its header."""

    NO = "no"
    TOO_LARGE = "too large"
    PURGED = "purged"


@dataclass(frozen=True, slots=True)
class Stored:
    """An instance is the current one of its SOP Instance UID from now on."""

    study_uid: str
    series_uid: str
    sop_uid: str
    version: str
    dicom_json: bytes
    omitted: Omitted = Omitted.NO


@dataclass(frozen=True, slots=True)
class InstanceName:
    """An instance that a delete or restore names."""

    series_uid: str
    sop_uid: str
    version: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """These instances answer no reads any more."""

    study_uid: str
    instances: Sequence[InstanceName]


@dataclass(frozen=True, slots=True)
class Restored:
    """These instances are readable again; not all of them need be current."""

    study_uid: str
    instances: Sequence[InstanceName]


@dataclass(frozen=True, slots=True)
class Entry:
    """One change."""

    position: str
    store: str
    commit_time: float
    """Seconds since the epoch, UTC."""
    event: Stored | Deleted | Restored | None
    """None for a kind that the index has no use for."""


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """The next entries; none in a sign of life."""

    entries: Sequence[Entry]
    position: str
    """Up to where the follower knows everything, once it has these entries."""
    entries_behind: int
    """How many lie beyond `position`."""


@dataclass(frozen=True, slots=True)
class HeldHeader:
    """An instance's header as the archive holds it now."""

    study_uid: str
    series_uid: str
    current: bool
    dicom_json: bytes


class Watch(Protocol):
    """A feed being followed."""

    def __iter__(self) -> Iterator[FeedBatch]:
        """The batches, as they come.

        Raises DianaError: EPOCH_CHANGED or POSITION_INVALID if there is no following from that position,
        PEER_UNAVAILABLE if the archive cannot be reached.
        """
        ...

    def cancel(self) -> None:
        """End it, from any thread: the iteration stops. Does nothing once it has ended."""
        ...


class Archive(Protocol):
    """What the index asks of the archive."""

    def watch(self, after: str, stop_at_head: bool = False) -> Watch:
        """Follow the feed of all stores after a position; from the beginning if that is empty."""
        ...

    def header(self, store: str, sop_uid: str, version: str) -> HeldHeader:
        """One instance's header.

        Raises DianaError: INSTANCE_NOT_FOUND; PEER_UNAVAILABLE if it may be had later, anything else if not.
        """
        ...
