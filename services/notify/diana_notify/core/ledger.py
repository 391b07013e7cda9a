"""The ledger as the core knows it: every message, from before its first attempt until long after its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from diana_common.attempts import Queue
from diana_notify.core.model import Delivery, Message, Parcel, State


@dataclass(frozen=True, slots=True)
class RequestMark:
    """A caller's request: its id, and a digest of what it asked for."""

    request_id: str
    digest: bytes


class Ledger(Queue[Parcel], Protocol):
    """Durable deliveries, a queue of them. Safe to share between threads; what returned has survived a power cut.

    Times are seconds since the epoch. Every method may raise DianaError DISK_FULL.
    """

    def requested(self, mark: RequestMark) -> list[Delivery] | None:
        """What was queued under a request's id; None if nothing was. Raises REQUEST_ID_REUSED."""
        ...

    def add(self, messages: Sequence[Message], now: float, mark: RequestMark | None = None) -> list[Delivery]:
        """Queue messages, all or none; or return what was queued under the same mark. Raises REQUEST_ID_REUSED."""
        ...

    def add_followed(self, messages: Sequence[Message], now: float, position: str) -> None:
        """Queue messages, and know from then on everything of the feed up to `position`: both or neither."""
        ...

    def position(self) -> str | None:
        """How far the feed was followed; None if it never was."""
        ...

    def forget_position(self) -> None:
        """As if the feed had never been followed."""
        ...

    def get(self, name: str) -> Delivery:
        """Raises DELIVERY_NOT_FOUND."""
        ...

    def page(self, before: int | None, size: int, state: State | None, channel: str) -> list[Delivery]:
        """Deliveries with numbers below `before`, newest first; of a state and a channel unless None or empty."""
        ...

    def replay(self, name: str, now: float) -> Delivery:
        """Queue a dead or cancelled one as if it were new; all of a digest that was formed, under the same name.

        One that is queued is returned as it is. Raises DELIVERY_NOT_FOUND, DELIVERY_ENDED.
        """
        ...

    def cancel(self, name: str, now: float) -> Delivery:
        """End a queued one; all of a digest that was formed. One that is cancelled is returned as it is.

        Raises DELIVERY_NOT_FOUND, DELIVERY_ENDED.
        """
        ...

    def queued_after(self, number: int, channel: str, size: int) -> list[Delivery]:
        """What has not ended, of larger numbers, in their order; of a channel unless that is empty."""
        ...

    def changed_after(self, place: tuple[int, int], channel: str, size: int) -> list[tuple[int, Delivery]]:
        """What changed last after a place, (number of a change, delivery's number), in that order."""
        ...

    def count_queued(self) -> int:
        """How many deliveries have not ended."""
        ...
