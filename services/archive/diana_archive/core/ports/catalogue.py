"""The catalogue: the truth about what exists, and the feed of what happened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
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
    Study,
)


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

    def last_until(self, time_us: int, head: int) -> int:
        """A sequence, up to `head`: entries up to it were committed until that time, those after it later."""

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
