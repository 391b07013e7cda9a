"""What was in a store, and went on from there by a rule, which deletes nothing that is not confirmed elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime

from diana_client import ArchiveClient, NotFound

_MARGIN_SECONDS = 3600.0
"""By so much the clocks of hosts may differ."""


def moved_on(
    archive: ArchiveClient, store: str, studies: Collection[str], since: float
) -> frozenset[tuple[str, bytes]]:
    """The instances of some studies that rules have deleted since a time, in seconds since the epoch, and that are
    still in their store's grace period: SOP Instance UID, and SHA-256 of the data set that was there.

    What a person deleted is not among them, nor what a store let go of by itself. Raises MeshError.
    """
    deleted = {one for study_uid in studies for one in _deleted(archive, store, study_uid)}
    by_rules = frozenset(_deleted_by_rules(archive, store, studies, since)) if deleted else frozenset()
    return frozenset(one for one in deleted if one[0] in by_rules)


def _deleted(archive: ArchiveClient, store: str, study_uid: str) -> Iterator[tuple[str, bytes]]:
    with suppress(NotFound):
        for one in archive.instances(study_uid, store=store, show_all=True):
            if one.HasField("delete_time"):
                yield one.sop_instance_uid, one.data_set_sha256


def _deleted_by_rules(archive: ArchiveClient, store: str, studies: Collection[str], since: float) -> Iterator[str]:
    after = datetime.fromtimestamp(max(since - _MARGIN_SECONDS, 0.0), UTC)
    for batch in archive.watch_feed(after_time=after, stores=[store], stop_at_head=True, omit_headers=True):
        for entry in batch.entries:
            told = entry.instances_deleted
            if entry.origin.rule and told.study_uid in studies:
                yield from (one.sop_instance_uid for one in told.instances)
