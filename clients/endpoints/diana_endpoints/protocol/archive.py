"""What an archive does beside: restores, tells of changes, works where its instances lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint, Working


@runtime_checkable
class Restorer(Endpoint, Protocol):
    """What was deleted can for a time be brought back."""

    def undelete(self, wanted: Item) -> int:
        """Bring back what was deleted; how many instances that was."""


@runtime_checkable
class Watcher(Endpoint, Protocol):
    """Its changes can be followed."""

    def watch(self, after: str | None, stop_at_head: bool) -> Iterator[Item]:
        """Changes after a position: "" is the beginning, None is now. Ends at the head, or never."""


@runtime_checkable
class Keeper(Working, Protocol):
    """It keeps instances, and does long work on them where they lie."""

    def start_import(self, path: str) -> str:
        """Start to store what lies under a path of its own host; the name of the operation."""

    def start_verify(self, repair: bool) -> str:
        """Start to hold what it keeps against its digests; the name of the operation."""

    def start_backup(self) -> str:
        """Start to bring its backup up to date; the name of the operation."""


@runtime_checkable
class Sealer(Endpoint, Protocol):
    """It keeps attributes of studies sealed, by keys of its own."""

    def seal(self, wanted: Item, attributes: Mapping[str, str]) -> None:
        """Add sealed attributes to the study that `wanted.meta` names."""


@runtime_checkable
class Unsealer(Endpoint, Protocol):
    """It keeps attributes of studies sealed, and opens them."""

    def unseal(self, wanted: Item) -> Item:
        """The sealed attributes of the study that `wanted.meta` names, as `meta["sealed"]`: patient values."""


@runtime_checkable
class Marked(Endpoint, Protocol):
    """Its studies bear plain attributes."""

    def marked(self, attribute: str, text: str) -> Iterator[Item]:
        """The studies whose attribute has this value: each with the header of one of its instances."""
