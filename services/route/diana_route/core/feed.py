"""The archive's feed, as far as rules care."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from diana_common import following
from diana_common.conditions import Header
from diana_route.core.model import InstanceItem, StudyItem
from diana_route.core.rules import Event


@dataclass(frozen=True, slots=True)
class Told:
    """An entry of a kind that rules wait for."""

    event: Event
    item: StudyItem | InstanceItem
    """A study's plain attributes are those that it had then."""

    position: str
    time: float
    """When it was committed, in seconds since the epoch."""

    rule: str = ""
    """The rule whose action made it, as its origin says; empty if none did."""

    operation: str = ""
    """The operation that made it, or the job, as its origin says."""

    header: Header | None = None
    """An instance's, where the feed carries it."""

    way: Sequence[str] = ()
    """The rules that led to what its rule did, where another archive's rules sent it here."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The next entries, and the position up to which there are no others."""

    entries: Sequence[Told]
    position: str


Watch: TypeAlias = following.Watch[Batch]
"""The feed being followed."""


class Feed(Protocol):
    """The archive's feed."""

    def head(self) -> str:
        """The position of its newest entry; empty while there is none. Raises DianaError."""
        ...

    def stores(self) -> Collection[str]:
        """The names of the stores that there are. Raises DianaError."""
        ...

    def watch(
        self, after: str, stores: Sequence[str], headers: bool, to_head: bool = False, since: float | None = None
    ) -> Watch:
        """Follow some stores after a position, from the beginning if that is empty, and a time, in seconds since the
        epoch; with instances' `headers` or without; for ever, or `to_head` as it is now."""
        ...
