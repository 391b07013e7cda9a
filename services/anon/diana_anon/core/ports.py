"""What the core asks of others: the mint, the store a study comes from and the one it goes to, and a place to read."""

from __future__ import annotations

import mmap
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from diana_anon.core.engine import Identity
from diana_anon.core.subject import Subject
from diana_common.errors import DianaError

Whole = bytes | mmap.mmap
"""A Part 10 file that is all there."""

Piece = bytes | memoryview


@dataclass(frozen=True, slots=True)
class StudySummary:
    """What a store says of a study: its current instances, and its plain attributes."""

    instance_count: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True, order=True)
class InstanceKey:
    """An instance of a study, in the order of the archive's lists."""

    series_uid: str
    sop_uid: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A de-identified Part 10 file on its way; `sop_uid` is its source's SOP Instance UID."""

    sop_uid: str
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of an `Outgoing`: stored and durable, or refused with `error`."""

    sop_uid: str
    error: DianaError | None


class Mint(Protocol):
    """Who a subject becomes. Every method raises DOMAIN_UNKNOWN, DOMAIN_KEY_MISSING, PEER_UNAVAILABLE, INTERNAL."""

    def identity(self, domain: str, subject: Subject) -> Identity:
        """The subject's identity. Raises SUBJECT_INVALID too."""
        ...

    def uid_key(self, domain: str) -> bytes:
        """The key that the domain's UIDs are mapped with. Raises SUBJECT_INVALID for a domain that maps none."""
        ...


class Source(Protocol):
    """Where studies come from. Every method raises STORE_UNKNOWN, STUDY_NOT_FOUND, PEER_UNAVAILABLE, INTERNAL."""

    def study(self, store: str, study_uid: str) -> StudySummary:
        """One study."""
        ...

    def instances(self, store: str, study_uid: str) -> Iterator[InstanceKey]:
        """Its current instances, in order."""
        ...

    def download(
        self, store: str, study_uid: str, sop_uids: Sequence[str]
    ) -> Generator[tuple[str, Iterator[bytes]], None, None]:
        """At most 1,000 of its instances, in any order, each with its bytes: take those before the next.

        Raises INSTANCE_NOT_FOUND, STORE_DAMAGED too, from the bytes as well.
        """
        ...


class Target(Protocol):
    """Where de-identified studies go; `operation` is kept as the origin of every change.

    Every method raises STORE_UNKNOWN, STUDY_NOT_FOUND, PEER_UNAVAILABLE, INTERNAL.
    """

    def study(self, store: str, study_uid: str) -> StudySummary:
        """One study."""
        ...

    def upload(self, store: str, outgoing: Iterable[Outgoing], operation: str) -> Generator[Answered, None, None]:
        """Store instances over one stream; an answer for each, in any order.

        `outgoing` is read in another thread, as far ahead as memory allows. Raises what it raises.
        """
        ...

    def set_attributes(self, store: str, study_uid: str, attributes: Mapping[str, str], operation: str) -> str:
        """Set plain attributes; the feed position after that. Raises INVALID_FIELD too."""
        ...

    def complete(self, store: str, study_uid: str, expected: int, operation: str) -> str:
        """Declare a study complete, counted against its source; the feed position after that.

        Raises STUDY_INCOMPLETE too, if it has not as many instances as expected.
        """
        ...


class Spool(Protocol):
    """A place for a file that has to be there whole."""

    def collect(self, pieces: Iterable[bytes]) -> Whole:
        """The pieces in one; what it took is free again once nobody refers to it. Safe from any thread.

        Raises INSTANCE_TOO_LARGE, DISK_FULL, INTERNAL, and what `pieces` raises.
        """
        ...


class Meter(Protocol):
    """Counts what is done."""

    def deidentified(self, profile: str) -> None:
        """An instance was."""
        ...

    def refused(self, profile: str, error: DianaError) -> None:
        """An instance was not."""
        ...


class Work(Protocol):
    """An operation under way. Not to be used from two threads at a time, but for `cancelled`."""

    @property
    def operation(self) -> str:
        """Its name."""
        ...

    @property
    def last_checkpoint(self) -> bytes:
        """What an earlier attempt kept; empty when there was none."""
        ...

    @property
    def failed_items(self) -> frozenset[str]:
        """The items that an earlier attempt could not do."""
        ...

    def progress(self, done: int, total: int, unit: str) -> None:
        """So many items are done, failed ones included."""
        ...

    def checkpoint(self, state: bytes) -> None:
        """Keep what a later attempt needs."""
        ...

    def fail_item(self, item: str, error: DianaError) -> None:
        """Record an item that could not be done."""
        ...

    def cancelled(self) -> bool:
        """Whether it should stop."""
        ...

    def raise_if_cancelled(self) -> None:
        """Leaves the operation if it should stop."""
        ...
