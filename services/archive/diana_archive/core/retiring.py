"""What the archive deletes by itself: studies kept for long enough, and the oldest ones where a quota needs the room.

A study whose plain attributes have "hold" is never one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from diana_archive.core.committer import Committer
from diana_archive.core.deleting import Deleting, delete_selected
from diana_archive.core.model import Origin, Resting, Selector, StorePolicy
from diana_archive.core.ports import Catalogue, Changes
from diana_archive.core.quotas import Quotas

HOLD = "hold"
"""The plain attribute that keeps a study."""

_A_PAGE = 50
_A_ROUND = 100


class Retiring:
    """Deletes of one archive that nobody asked for. Each study's is a transaction: uploads go on in between."""

    def __init__(self, committer: Committer, catalogue: Catalogue, deleting: Deleting, quotas: Quotas) -> None:
        self._committer = committer
        self._catalogue = catalogue
        self._deleting = deleting
        self._quotas = quotas

    def end_retention(self, policy: StorePolicy, now_us: int) -> bool:
        """Delete some of the studies that are kept for long enough; whether it was all of them."""
        if not policy.retention_us:
            return True
        before_us = now_us - policy.retention_us
        for count, study_uid in enumerate(self._deletable(policy, before_us)):
            if count == _A_ROUND:
                return False
            self._delete(policy, study_uid, before_us, "retention")
        return True

    def make_room(self, policy: StorePolicy, now_us: int) -> None:
        """Where a store is over its quota, purge what is deleted, then study by study, until there is room."""
        deletable = self._deletable(policy, now_us)
        for _ in range(_A_ROUND):
            with self._catalogue.snapshot() as snapshot:
                if not self._quotas.is_short(snapshot, policy):
                    return
            if self._deleting.purge_expired(replace(policy, grace_us=0)):
                continue
            study_uid = next(deletable, None)
            if study_uid is None:
                return
            self._delete(policy, study_uid, now_us, "quota")

    def _deletable(self, policy: StorePolicy, before_us: int) -> Iterator[str]:
        """Studies that nothing was added to since, longest first."""
        after = (0, "")
        while page := self._resting(policy, before_us, after):
            after = (page[-1].arrival_us, page[-1].study_uid)
            yield from (one.study_uid for one in page if HOLD not in one.attributes)

    def _resting(self, policy: StorePolicy, before_us: int, after: tuple[int, str]) -> list[Resting]:
        with self._catalogue.snapshot() as snapshot:
            return snapshot.resting(policy.name, before_us, after, _A_PAGE)

    def _delete(self, policy: StorePolicy, study_uid: str, before_us: int, rule: str) -> None:
        def work(changes: Changes) -> None:
            study = changes.study(policy.name, study_uid)
            # Asked again: somebody may have added to it, or put it on hold.
            if study and study.last_store_us <= before_us and HOLD not in study.attributes:
                delete_selected(changes, policy.name, Selector(study_uid), Origin(rule=rule))

        self._committer.run(work)
