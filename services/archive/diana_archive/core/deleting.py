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
            current = changes.select(policy.name, selector, (State.CURRENT,))
            chosen = changes.versions(current, _UNDELETED)
            if chosen:
                changes.set_state(chosen, State.DELETED)
                changes.refresh_studies(chosen)
                changes.tell_moved(policy.name, chosen, True, origin)
            return len(chosen), changes.now_us + policy.grace_us, changes.head()

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
            for store, study_uid in changes.purge(expired) if expired else ():
                # Nothing of the study is left: neither may be what says whose it was.
                changes.set_attributes(store, study_uid, {}, ())
                self._sidecars.remove(store, study_uid)
            return len(expired)

        return self._committer.run(work)

    def remove_purged(self) -> int:
        """Remove some of the bytes of purged instances; how many. What a crash left over is found again."""
        with self._catalogue.snapshot() as snapshot:
            found = snapshot.unlinkable(_A_PURGE)
        for store, object_id in found:
            self._objects.remove(store, object_id)
        if found:
            self._committer.run(lambda changes: changes.unlinked([object_id for _, object_id in found]))
        return len(found)
