"""What an archive does beside: deletes, tells of changes, works where its instances lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint, OnProgress


@runtime_checkable
class Deleter(Endpoint, Protocol):
    """Items can be deleted, and for a time brought back."""

    def delete(self, wanted: Item) -> int:
        """Delete what `wanted.meta` names by its deepest UID; how many instances that was."""

    def undelete(self, wanted: Item) -> int:
        """Bring back what was deleted; how many instances that was."""


@runtime_checkable
class Watcher(Endpoint, Protocol):
    """Its changes can be followed."""

    def watch(self, after: str | None, stop_at_head: bool) -> Iterator[Item]:
        """Changes after a position: "" is the beginning, None is now. Ends at the head, or never."""


@runtime_checkable
class Keeper(Endpoint, Protocol):
    """It keeps instances, and does long work on them where they lie."""

    def start_import(self, path: str) -> str:
        """Start to store what lies under a path of its own host; the name of the operation."""

    def start_verify(self, repair: bool) -> str:
        """Start to hold what it keeps against its digests; the name of the operation."""

    def start_backup(self) -> str:
        """Start to bring its backup up to date; the name of the operation."""

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: what failed of it, each with its failure; at last its counts, or why it ended."""


@runtime_checkable
class Unsealer(Endpoint, Protocol):
    """It keeps attributes of studies sealed, and opens them."""

    def unseal(self, wanted: Item) -> Item:
        """The sealed attributes of the study that `wanted.meta` names, as `meta["sealed"]`: patient values."""
