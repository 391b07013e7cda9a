"""How many bytes of instances a store may hold, hidden ones included."""

from __future__ import annotations

import threading

from diana_archive.core.model import QuotaPolicy, StorePolicy
from diana_archive.core.ports import Catalogue, Snapshot
from diana_common.errors import DianaError, Reason


class Quotas:
    """Refuses what there is no room for, and knows which stores somebody must make room in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # What a store held when somebody last asked, with what they wanted to add.
        self._used: dict[str, int] = {}
        self._short: set[str] = set()

    def check(self, catalogue: Catalogue, policy: StorePolicy, size_bytes: int) -> None:
        """Before bytes are written. Asks the catalogue only when there seems to be no room. Raises QUOTA_EXCEEDED."""
        most = most_bytes(policy)
        if most and self._used.get(policy.name, most) + size_bytes > most:
            with catalogue.snapshot() as snapshot:
                self.require_room(snapshot, policy, size_bytes)

    def require_room(self, snapshot: Snapshot, policy: StorePolicy, size_bytes: int) -> None:
        """Before a row is added: costs a look at the store's counters where there is a quota. Raises QUOTA_EXCEEDED."""
        most = most_bytes(policy)
        if not most:
            return
        wanted = self._used[policy.name] = used_bytes(snapshot, policy.name) + size_bytes
        if wanted > most:
            self._set_short(policy, True)
            raise DianaError(Reason.QUOTA_EXCEEDED, "The store has no room for the instance within its quota.")

    def is_short(self, snapshot: Snapshot, policy: StorePolicy) -> bool:
        """Whether a store that deletes its oldest studies is over its quota or refused something, and has not come
        below nine tenths of it since."""
        if policy.quota_policy != QuotaPolicy.DELETE_OLDEST or not policy.quota_bytes:
            return False
        used = used_bytes(snapshot, policy.name)
        if used > policy.quota_bytes:
            self._set_short(policy, True)
        elif used < policy.quota_bytes // 10 * 9:
            self._set_short(policy, False)
        return policy.name in self._short

    def _set_short(self, policy: StorePolicy, short: bool) -> None:
        with self._lock:
            (self._short.add if short else self._short.discard)(policy.name)


def most_bytes(policy: StorePolicy) -> int:
    """What a store may hold in bytes; a tenth more than its quota where room is made for newcomers. 0: no limit."""
    beyond = policy.quota_bytes // 10 if policy.quota_policy == QuotaPolicy.DELETE_OLDEST else 0
    return policy.quota_bytes + beyond


def used_bytes(snapshot: Snapshot, store: str) -> int:
    """What a store holds."""
    counts = snapshot.statistics(store)
    return counts.size_bytes + counts.hidden_bytes
