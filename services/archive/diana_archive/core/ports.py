"""What the rules need of the stores beneath them: role by role.

The catalogue is the truth about what exists; objects and sidecars hold bytes that it refers to. An
object's life: `create` a draft, write it, `finish` it, `make_durable` it, add its row in a transaction. Until that
row is committed it is nothing, and is set aside at the next start.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from diana_archive.core.model import (
    CompletionReason,
    Evidence,
    FeedEntry,
    Instance,
    Known,
    Newcomer,
    Origin,
    Resting,
    Selector,
    Series,
    State,
    Statistics,
    Stored,
    Study,
)
from diana_common.errors import DianaError

Contents = bytes | mmap.mmap
"""An object's bytes, all there."""

Clock = Callable[[], int]
"""Now, in microseconds since 1970 UTC."""


class Draft(Protocol):
    """An object that is all there, on its way to be durable. Its id is told once it is."""

    @property
    def object_id(self) -> int:
        """Its name among the objects."""

    @property
    def size_bytes(self) -> int:
        """How many bytes it is when it is read."""

    def close(self) -> None:
        """Let go of it; what was written stays."""

    def discard(self) -> None:
        """Remove it and what was written; never raises."""


class OpenDraft(Draft, Protocol):
    """An object being written by one thread at a time."""

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises OSError."""

    def contents(self) -> AbstractContextManager[Contents]:
        """All that was written, mapped, not copied."""

    def finish(self) -> None:
        """Nothing more is written: bring it into the form it is kept in. Raises OSError."""


class ObjectReader(Protocol):
    """An object open for reading. When it is removed meanwhile it stays readable, or FileNotFoundError is raised."""

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`; none past the end. Raises OSError."""

    def contents(self) -> AbstractContextManager[Contents]:
        """All of it, mapped, not copied. Raises OSError."""

    def close(self) -> None:
        """Let go of it."""


class Objects(Protocol):
    """Where Part 10 bytes lie, by store and object id. Ids are never given twice."""

    def create(self, store: str) -> OpenDraft:
        """A new empty object. Raises OSError."""

    def place(self, store: str, data: bytes) -> Draft:
        """A new object that is these bytes. Raises OSError."""

    def adopt(self, store: str, path: Path) -> OpenDraft:
        """A new object that is a file of this host, whole; it stays, and is not to be written to. Raises OSError."""

    def make_durable(self, drafts: Sequence[Draft]) -> list[OSError | None]:
        """Make them survive a power cut, together; one answer each, None when it will."""

    def open(self, store: str, object_id: int) -> ObjectReader:
        """Raises FileNotFoundError, OSError."""

    def remove(self, objects: Sequence[tuple[str, int]]) -> list[OSError | None]:
        """Remove objects, by store and id, durably together; one answer each, None when it is gone."""

    def settled(self, store: str, after_id: int, limit: int) -> list[int]:
        """Ids of objects after that one, in order, that no draft of this run can have."""

    def set_aside(self, store: str, object_ids: Sequence[int]) -> None:
        """Move objects out of the way, durably. Raises OSError."""

    def drop_orphans(self, before_us: int) -> int:
        """Remove what was set aside at a start before that time, as far as it can be; how many."""


class Sidecars(Protocol):
    """What stands beside a study: one small document each."""

    def read(self, store: str, study_uid: str) -> bytes | None:
        """The document; None without one."""

    def write(self, store: str, study_uid: str, document: bytes) -> None:
        """Replace it, whole and durably, or raise OSError."""

    def remove(self, store: str, study_uid: str) -> None:
        """Remove it, if there is one."""


class SealKeys(Protocol):
    """Keys for sealed attributes, by key id: 32 bytes each."""

    def current(self) -> tuple[str, bytes]:
        """The key that new seals are made with, created durably if there is none. Raises DianaError CONFIG_INVALID."""

    def find(self, key_id: str) -> bytes | None:
        """A key by its id; None when this archive does not have it."""


class Snapshot(Protocol):
    """The catalogue as it is at one moment."""

    def head(self) -> int:
        """The newest entry's sequence; 0 while the feed is empty."""

    def known(self, store: str, sop_instance_uid: str) -> list[Known]:
        """The undeleted instances under a UID."""

    def instance(self, store: str, sop_instance_uid: str, version: str) -> Instance | None:
        """An undeleted instance; the current one when `version` is empty."""

    def by_ids(self, object_ids: Sequence[int]) -> list[Instance]:
        """Instances, in no particular order."""

    def header(self, object_id: int) -> bytes | None:
        """An instance's header, zlib-compressed DICOM JSON; None when it is purged."""

    def digests(self, store: str, sop_instance_uids: Sequence[str]) -> set[tuple[str, bytes]]:
        """SOP Instance UID and data set digest of all undeleted instances of those UIDs."""

    def current_uids(self, store: str, sop_instance_uids: Sequence[str]) -> set[str]:
        """Which of the UIDs have a current instance."""

    def select(self, store: str, selector: Selector, states: Sequence[State]) -> list[int]:
        """Object ids of the selected instances in one of the states, by series, SOP Instance UID and age."""

    def exists(self, store: str, selector: Selector, states: Sequence[State]) -> bool:
        """Whether any instance in one of the states is selected."""

    def selected_uids(self, store: str, selector: Selector, states: Sequence[State]) -> set[str]:
        """SOP Instance UIDs of the same."""

    def versions(self, object_ids: Sequence[int], states: Sequence[State]) -> list[int]:
        """Object ids of all instances, in one of the states, that share a SOP Instance UID with these."""

    def restorable(self, store: str, sop_instance_uids: Collection[str], deleted_after_us: int) -> list[int]:
        """Of those UIDs' instances deleted later than that, the ones that can come back.

        Not those that an undeleted one is the same as; of several that are the same, the newest.
        """

    def study(self, store: str, study_uid: str) -> Study | None:
        """A study with a current instance."""

    def studies(self, store: str, after_uid: str, limit: int) -> tuple[list[Study], bool]:
        """Studies with a current instance, by UID, with 1 MiB of attributes at most; and whether there are more."""

    def series(self, store: str, study_uid: str, after_uid: str, limit: int) -> list[Series]:
        """Series with a current instance, by UID."""

    def instances(
        self,
        store: str,
        study_uid: str,
        series_uid: str,
        states: Sequence[State],
        after: tuple[str, str, str],
        limit: int,
    ) -> list[Instance]:
        """By Series UID, SOP Instance UID and sequence, after the one with these; no Series UID means all."""

    def statistics(self, store: str) -> Statistics:
        """A store's counts, whatever its size in constant time."""

    def feed(
        self, after: int, upto: int, stores: Sequence[str], headers: bool, page_bytes: int
    ) -> tuple[list[FeedEntry], int]:
        """Entries after one sequence and up to another, about `page_bytes` at most, and the sequence they cover."""

    def quiet(self, store: str, before_us: int, limit: int) -> list[str]:
        """Study UIDs not complete, with a current instance, where nothing arrived since."""

    def evidence(self, store: str, study_uid: str) -> list[Evidence]:
        """What is known about a study's completeness, there or not, oldest first."""

    def witnessed(self, store: str, since_us: int, after_uid: str, limit: int) -> list[str]:
        """Study UIDs, in order, of studies not complete that have evidence to weigh, where since then an instance was
        stored or evidence recorded."""

    def unclaimed(self, store: str, before_us: int, limit: int) -> list[str]:
        """Study UIDs with evidence, the last of it recorded before that time, and without a current instance."""

    def resting(self, store: str, before_us: int, after: tuple[int, str], limit: int) -> list[Resting]:
        """Studies that nothing was added to since, longest first, after the one with this time and UID."""

    def expired(self, store: str, before_us: int, limit: int) -> list[int]:
        """Instances deleted at or before that time."""

    def unlinkable(self, after_id: int, limit: int) -> list[tuple[str, int]]:
        """Store and object id of purged instances whose bytes may still be there, by object id after that one."""

    def kept(self, store: str, after_id: int, limit: int) -> list[Instance]:
        """Instances that are not purged, by object id, after that one."""

    def bearing(self, object_ids: Sequence[int]) -> set[int]:
        """Which of the ids belong to an instance whose bytes should be there, or are about to be removed."""

    def emptied(self, object_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
        """Of these instances, those whose study has nothing left that is not purged: its store and UID."""


class Changes(Snapshot, Protocol):
    """One transaction. Every event appended to the feed gets the next sequence."""

    now_us: int

    def part(self) -> AbstractContextManager[None]:
        """A part of the transaction that is undone alone when it raises."""

    def add(self, newcomer: Newcomer, object_id: int, replaced_version: str) -> Instance:
        """Add an instance as current and append InstanceStored; its study is incomplete from now on."""

    def set_state(self, object_ids: Sequence[int], state: State) -> None:
        """Move instances; DELETED ones are deleted now, CURRENT and OLDER ones not at all."""

    def settle(self, object_ids: Sequence[int]) -> None:
        """Of all undeleted instances that share a UID with these, make the newest current and the rest older."""

    def refresh_studies(self, object_ids: Sequence[int]) -> None:
        """Work out anew when the studies of these instances were first and last stored to."""

    def tell_moved(self, store: str, object_ids: Sequence[int], deleted: bool, origin: Origin) -> None:
        """Append InstancesDeleted, or InstancesRestored: one a study and 1,000 instances."""

    def set_attributes(self, store: str, study_uid: str, plain: dict[str, str], sealed_keys: Sequence[str]) -> None:
        """What the catalogue shows of a study's attributes."""

    def tell_attributes(self, store: str, study_uid: str, origin: Origin) -> None:
        """Append StudyAttributesChanged."""

    def set_evidence(self, store: str, study_uid: str, evidence: Sequence[Evidence]) -> None:
        """Replace what is known about a study's completeness."""

    def complete(
        self, store: str, study_uid: str, reason: CompletionReason, origin: Origin, evidence: Sequence[Evidence]
    ) -> None:
        """Mark a study complete and append StudyCompleted, which tells of the evidence."""

    def mark_damaged(self, object_ids: Sequence[int]) -> None:
        """These can no longer be read as they were; the same ones may take their place."""

    def assume_complete(self) -> None:
        """Take all studies for complete, and tell nobody."""

    def purge(self, object_ids: Sequence[int]) -> None:
        """Forget headers, note the bytes for removal."""

    def unlinked(self, object_ids: Sequence[int]) -> None:
        """The bytes of these are gone."""


class Catalogue(Protocol):
    """What the archive knows. One transaction at a time; any number of snapshots beside it."""

    epoch: str

    def stores(self) -> list[str]:
        """The names of all stores it has rows of, configured or not."""

    def known(self, store: str, sop_instance_uid: str) -> list[Known]:
        """What Snapshot.known answers, when that is all that is asked."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Read; what is seen does not change meanwhile."""

    def transaction(self) -> AbstractContextManager[Changes]:
        """Change; durable when the block has ended, undone when it raises (see core.failures.Undecided)."""

    def watch(self, publish: Callable[[int], None]) -> None:
        """Have the feed's head told, from another thread, when others who share the catalogue have committed."""

    def close(self) -> None:
        """Let go of it."""


class Backup(Protocol):
    """Another place that is brought up to date. `begin` first, `adopt` at the end: until then it is what it was."""

    def begin(self) -> Catalogue:
        """A copy of the catalogue as it is now, for this backup. Raises OSError, sqlite3.Error."""

    def has(self, instance: Instance) -> bool:
        """Whether it has an instance's object, whole. Ids alone do not tell: a state directory may be rolled back."""

    def add(self, store: str, object_id: int, reader: ObjectReader) -> None:
        """Take an object. It is durable after `adopt`. Raises OSError."""

    def add_sidecar(self, store: str, study_uid: str, document: bytes | None) -> None:
        """Take what stands beside a study; None: nothing does. Raises OSError."""

    def adopt(self, stores: Sequence[str]) -> None:
        """The copy of the catalogue takes its place, and what it does not know is removed. Raises OSError."""


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
