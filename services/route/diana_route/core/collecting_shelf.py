"""Collections as those see them who are asked for them, and who look after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from diana_route.core.collecting import Collected, Collection, Collections, ItemState


class Shelf(Collections, Protocol):
    """Where collections are kept, for those who ask for them too."""

    def create(
        self,
        key: str,
        request: bytes,
        digest: bytes,
        accession_numbers: Sequence[str],
        study_uids: Sequence[str],
        now: float,
    ) -> None:
        """Make one, if it is not there."""
        ...

    def bind(self, key: str, operation: str) -> None:
        """An operation is at it, unless it was before."""
        ...

    def of_operation(self, operation: str) -> Collection:
        """The one that an operation is or was at. Raises DianaError OPERATION_NOT_FOUND."""
        ...

    def revive(self, key: str) -> bool:
        """Have what failed done again; whether it was open still."""
        ...

    def unfinished(self) -> Sequence[str]:
        """The keys of collections that have items as `begun` tells."""
        ...

    def unbound(self) -> Sequence[str]:
        """The keys of collections that no operation was ever at."""
        ...

    def made_before(self, time: float) -> Sequence[str]:
        """The keys of those that were made before a time, and have nothing as `begun` tells."""
        ...

    def drop(self, key: str) -> None:
        """Forget one, if it is there."""
        ...

    def page(self, key: str, after: int, size: int, state: ItemState | None) -> list[Collected]:
        """Its items numbered above `after`."""
        ...

    def delivered_instances(self, key: str) -> int:
        """How many instances were delivered."""
        ...
