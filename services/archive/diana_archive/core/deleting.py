"""Delete with a grace period, undelete, and what happens when the period is over."""

from __future__ import annotations

from diana_archive.core.committer import Committer
from diana_archive.core.finding import require_selected
from diana_archive.core.model import Origin, Selector, State, StorePolicy
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Catalogue, Changes, Objects, Sidecars
from diana_common.errors import DianaError, Reason

_UNDELETED = (State.CURRENT, State.OLDER)
_KEPT = (State.CURRENT, State.OLDER, State.DELETED)
_A_PURGE = 1000


def delete_selected(changes: Changes, store: str, selector: Selector, origin: Origin) -> int:
    """Delete what is selected, in all its versions; how many instances."""
    current = changes.select(store, selector, (State.CURRENT,))
    # An older version that is selected goes by itself: the current one may be in another study.
    older = changes.select(store, selector, (State.OLDER,))
    chosen = sorted({*older, *changes.versions(current, _UNDELETED)})
    if chosen:
        changes.set_state(chosen, State.DELETED)
        changes.refresh_studies(chosen)
        changes.tell_moved(store, chosen, True, origin)
    return len(chosen)


class Deleting:
    """Deletes of one archive."""

    def __init__(
        self, committer: Committer, catalogue: Catalogue, policies: Policies, objects: Objects, sidecars: Sidecars
    ) -> None:
        self._committer = committer
        self._catalogue = catalogue
        self._policies = policies
        self._objects = objects
        self._sidecars = sidecars

    def delete(self, store: str, selector: Selector, origin: Origin) -> tuple[int, int, int]:
        """Delete what is selected, in all its versions.

        Returns how many, until when they can come back, and the feed's head. Raises STUDY_NOT_FOUND,
        SERIES_NOT_FOUND, INSTANCE_NOT_FOUND for what was never there or is purged.
        """
        policy = self._policies.find(store)

        def work(changes: Changes) -> tuple[int, int, int]:
            require_selected(changes, policy.name, selector, _KEPT)
            count = delete_selected(changes, policy.name, selector, origin)
            return count, changes.now_us + policy.grace_us, changes.head()

        return self._committer.run(work)

    def undelete(self, store: str, selector: Selector, origin: Origin) -> tuple[int, int]:
        """Bring back what is selected, in all its versions; how many, and the feed's head.

        An instance whose UID was stored to anew meanwhile comes back as an older version, and not at
        all if it is the same. Raises NOTHING_DELETED.
        """
        policy = self._policies.find(store)

        def work(changes: Changes) -> tuple[int, int]:
            uids = changes.selected_uids(policy.name, selector, (State.DELETED,))
            chosen = changes.restorable(policy.name, uids, changes.now_us - policy.grace_us)
            if chosen:
                changes.set_state(chosen, State.OLDER)
                changes.settle(chosen)
                changes.refresh_studies(changes.versions(chosen, _UNDELETED))
                changes.tell_moved(policy.name, chosen, False, origin)
            elif not changes.exists(policy.name, selector, _UNDELETED):
                raise DianaError(Reason.NOTHING_DELETED, "Nothing that is selected is there, nor can come back.")
            return len(chosen), changes.head()

        return self._committer.run(work)

    def purge_expired(self, policy: StorePolicy) -> int:
        """Purge some of what was deleted longer ago than the grace period; how many instances."""

        def work(changes: Changes) -> int:
            expired = changes.expired(policy.name, changes.now_us - policy.grace_us, _A_PURGE)
            changes.purge(expired)
            for store, study_uid in set(changes.emptied(expired).values()):
                # Nothing of the study is left: neither may be what says whose it was, nor what was told of it.
                changes.set_attributes(store, study_uid, {}, ())
                changes.set_evidence(store, study_uid, ())
            return len(expired)

        return self._committer.run(work)

    def remove_purged(self, after_id: int) -> tuple[int, list[Exception]]:
        """Remove some of what purged instances left on the disk, by object id after that one.

        Returns the last object id that was looked at, 0 without any, and what failed: that is left for
        another time, as is what a crash left over.
        """
        with self._catalogue.snapshot() as snapshot:
            found = snapshot.unlinkable(after_id, _A_PURGE)
            emptied = snapshot.emptied([object_id for _, object_id in found])
        objects = self._objects.remove(found)
        sidecars = {study: self._remove_sidecar(*study) for study in set(emptied.values())}
        gone = [
            object_id
            for (_, object_id), failure in zip(found, objects, strict=True)
            if not failure and not sidecars.get(emptied.get(object_id, ("", "")))
        ]
        if gone:
            self._committer.run(lambda changes: changes.unlinked(gone))
        failures = [failure for failure in (*objects, *sidecars.values()) if failure]
        return (found[-1][1] if found else 0), failures

    def _remove_sidecar(self, store: str, study_uid: str) -> Exception | None:
        """In a turn of the committer's, which all that writes sidecars takes: the study may be back by now."""

        def work(changes: Changes) -> None:
            if not changes.exists(store, Selector(study_uid), _KEPT):
                self._sidecars.remove(store, study_uid)

        try:
            self._committer.run(work)
        except DianaError as error:
            return error
        return None
