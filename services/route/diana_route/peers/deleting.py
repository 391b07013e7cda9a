"""The action `delete` for what is stored: once all that was made of it is confirmed where it went."""

from __future__ import annotations

from collections.abc import Sequence

from diana_client import ArchiveClient, NotFound
from diana_common.attempts import Postponed, Refused
from diana_route.core.model import Item, Task
from diana_route.peers.faults import alone, attempted
from diana_route.peers.held import ARCHIVE, TARGET, Confirming, StoredItem, held, older_versions, origin, stored, uids

_AT_ONCE = 1000


class Deleting:
    """Carries out one `delete` of one rule. Idempotent by nature. What is deleted can be brought back within the
    store's grace period."""

    def __init__(self, archive: ArchiveClient, makers: Sequence[tuple[int, Confirming]]) -> None:
        """`makers` are the actions before it that make something of the item, with their numbers."""
        self._archive = archive
        self._makers = makers

    def target(self, item: Item) -> str:
        """See core.actions.Action."""
        return TARGET

    def carry_out(self, task: Task) -> None:
        """See core.actions.Action. Done when nothing of the item is left.

        Instances are deleted by name, those that are there now and confirmed. Where one is not, having come later,
        nothing is deleted yet: a job of its own has it sent on, and later attempts find it confirmed, or gone.
        """
        item = stored(task.job.item)
        instances = held(self._archive, item)
        left = uids(instances)
        if left and (older := older_versions(self._archive, item, left)):
            raise Refused(f"{older} instances have older versions, which went nowhere and would be deleted with them")
        for number, maker in self._makers if left else ():
            with alone():
                confirmed = maker.confirmed(task.job, number, instances)
            if lacking := len(left - confirmed):
                action = task.job.steps[number].action
                raise Postponed(f"{lacking} of {len(left)} instances are not confirmed by {action!r}")
        self._delete(item, sorted(left), task)

    def _delete(self, item: StoredItem, names: Sequence[str], task: Task) -> None:
        for start in range(0, len(names), _AT_ONCE):
            named = names[start : start + _AT_ONCE]
            with attempted(ARCHIVE):
                try:
                    self._archive.delete(
                        item.study_uid, sop_instance_uids=named, store=item.store, origin=origin(task.job)
                    )
                except NotFound:
                    raise Postponed("instances went while they were being deleted; it is asked again") from None
