"""What carries messages to their recipients, and the ways in which it can fail."""

from __future__ import annotations

from typing import Protocol

from diana_notify.core.model import Parcel


class Undelivered(Exception):
    """An attempt failed. `why` is kept and shown: the transport's words, without addresses or text."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Refused(Undelivered):
    """The other side will never take this message: the delivery is dead."""


class Postponed(Undelivered):
    """The other side does not take this message now; others may get through."""


class Unreachable(Undelivered):
    """The target takes nothing at all now: everything for it waits."""


class Carrier(Protocol):
    """One transport."""

    def carry(self, parcel: Parcel) -> None:
        """Hand a message over; returns once the other side has taken it.

        Bounded in time. A repeated attempt carries the same name, so that the other side can tell.
        Raises Undelivered.
        """
        ...
