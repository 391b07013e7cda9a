"""What the core asks of others: the mint, the stores a study comes from and goes to, the ledger of what was done."""

from __future__ import annotations

import mmap
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from diana_anon.core.proof.quarantine import Entry, HeldBack, Why
from diana_anon.core.proof.receipts import Receipt, Result, Shipment
from diana_anon.core.rewriting.engine import Identity
from diana_anon.core.subject import Subject
from diana_common.conditions import Header
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
    pieces: Sequence[Piece] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of an `Outgoing`: stored and durable, or refused with `error`."""

    sop_uid: str
    error: DianaError | None


@dataclass(frozen=True, slots=True, order=True)
class ReceiptKey:
    """A receipt's place in lists; the default is before every one."""

    sop_instance_uid: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """What a domain's UIDs and accession numbers are mapped with, 32 bytes each: secrets, for one piece of work."""

    uids: bytes
    accession_numbers: bytes
    version: int
    """Of the domain's key that they come from: identities of the same piece of work are to be minted with it too."""


class Mint(Protocol):
    """Who a subject becomes. Every method raises DOMAIN_UNKNOWN, DOMAIN_KEY_MISSING, PEER_UNAVAILABLE, INTERNAL."""

    def identity(self, domain: str, subject: Subject, key_version: int = 0) -> Identity:
        """The subject's identity; 0 is the newest version. Raises SUBJECT_INVALID, KEY_VERSION_UNKNOWN too."""
        ...

    def keys(self, domain: str, key_version: int = 0) -> Keys | None:
        """The domain's keys; None for a domain that maps UIDs as diana2 did. Raises KEY_VERSION_UNKNOWN too."""
        ...

    def newest_key_version(self, domain: str) -> int:
        """The newest version of the domain's key, for a domain that has no `keys`."""
        ...

    def accession_number(self, domain: str, accession_number: str, key_version: int = 0) -> str:
        """What an accession number becomes; 0 is the newest version. Raises INVALID_FIELD, KEY_VERSION_UNKNOWN too."""
        ...


class Source(Protocol):
    """Where studies come from. Every method raises STORE_UNKNOWN, STUDY_NOT_FOUND, PEER_UNAVAILABLE, INTERNAL."""

    def study(self, store: str, study_uid: str) -> StudySummary:
        """One study."""
        ...

    def instances(self, store: str, study_uid: str) -> Iterator[InstanceKey]:
        """Its current instances, in order."""
        ...

    def first_headers(self, store: str, study_uid: str) -> Iterator[Header]:
        """The header of the first instance of each of its series, by Series Instance UID."""
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


class Ledger(Protocol):
    """The receipts, kept for good. Safe from any thread. Every method raises DISK_FULL, STORE_DAMAGED."""

    def send(self, operation: str, store: str, receipts: Sequence[Receipt]) -> None:
        """Keep receipts of results that an operation is about to send to `store`, all or none; durable on return.

        They are pending until `arrived`. Of the same result and operation the first one stays.
        """
        ...

    def arrived(self, operation: str, results: Sequence[Result]) -> None:
        """The target has them: their receipts are pending no more."""
        ...

    def refused(self, operation: str, results: Sequence[Result]) -> None:
        """The target does not take them: their receipts go, if they are pending."""
        ...

    def on_the_way(self) -> Sequence[Shipment]:
        """All that is pending, of every operation."""
        ...

    def counts(self, operation: str) -> Mapping[str, int]:
        """How many instances an operation stored, by new Study Instance UID; pending ones are not counted."""
        ...

    def newest(self, sop_instance_uid: str) -> Receipt:
        """The newest receipt of a de-identified instance. Raises RECEIPT_NOT_FOUND."""
        ...

    def of_result(self, result_sha256: str) -> Receipt:
        """The newest receipt of a de-identified file by its SHA-256. Raises RECEIPT_NOT_FOUND."""
        ...

    def receipts(
        self, study_uid: str, operation: str, after: ReceiptKey, size: int, actions: bool = True
    ) -> list[tuple[ReceiptKey, Receipt]]:
        """At most `size` receipts of a de-identified study, or of an operation where `study_uid` is empty, by key.

        Without `actions` theirs are empty.
        """
        ...

    def instances(self, operation: str) -> Iterator[Receipt]:
        """Of an operation those not pending, by SOP Instance UID; read in parts, so that others get at the ledger."""
        ...


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """A study that an operation began: its Study Instance UID in the source and, once it is known, the new one.

    refused: how many of its instances are not stored, those in quarantine included. whole: all of it is stored.
    """

    source_study_uid: str
    study_uid: str
    refused: int
    whole: bool


class StudyBook(Protocol):
    """The studies of operations; which became which is sealed. Every method raises DISK_FULL, STORE_DAMAGED."""

    def begin(self, operation: str, source_study_uid: str) -> None:
        """Enter a study, durably; of no effect if it is there."""
        ...

    def enter(self, operation: str, entry: StudyEntry) -> None:
        """What has become of one that was begun, durably. What was known before, and this has not, stays."""
        ...

    def entries(self, operation: str) -> list[StudyEntry]:
        """All that an operation began, by new Study Instance UID."""
        ...


class Quarantine(Protocol):
    """The instances held back. Safe from any thread. Every method raises DISK_FULL, STORE_DAMAGED."""

    def hold(self, held: HeldBack) -> None:
        """Enter one; durable on return. Of no effect if the operation entered it for that reason before."""
        ...

    def released_by(self, source_sha256: str, profile_sha256: str, why: Why) -> str:
        """Who let this source go that this profile holds back for that reason; empty while nobody did."""
        ...

    def entries(self, operation: str, released: bool, after: int, size: int) -> list[Entry]:
        """At most `size` entries numbered above `after`, oldest first: an operation's, or all for an empty name.

        `released`: those that were released too.
        """
        ...

    def count(self, operation: str, study_uid: str = "") -> int:
        """How many instances an operation held back: of one of its source studies, or of all for an empty UID."""
        ...

    def release(self, ids: Sequence[str], released_by: str) -> list[Entry]:
        """Release entries by the first characters of their ids; they as they are now, in that order.

        Raises QUARANTINE_ENTRY_NOT_FOUND, INVALID_FIELD if several begin so; then none is released.
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
