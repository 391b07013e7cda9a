"""The stores there are."""

from __future__ import annotations

from collections.abc import Iterable

from diana_archive.core.model import StorePolicy
from diana_common.errors import DianaError, Reason

DEFAULT = "default"


class Policies:
    """Stores by name; "default" is always one of them."""

    def __init__(self, policies: Iterable[StorePolicy]) -> None:
        self._policies = {DEFAULT: StorePolicy(DEFAULT)} | {policy.name: policy for policy in policies}

    def find(self, name: str) -> StorePolicy:
        """The store of that name, "default" for an empty one. Raises DianaError STORE_UNKNOWN."""
        try:
            return self._policies[name or DEFAULT]
        except KeyError:
            raise DianaError(Reason.STORE_UNKNOWN, "The archive has no store of that name.") from None

    def all(self) -> list[StorePolicy]:
        """Every store, by name."""
        return sorted(self._policies.values(), key=lambda policy: policy.name)
