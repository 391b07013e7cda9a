"""What carries messages to their recipients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from diana_common.attempts import Unreachable
from diana_notify.core.model import Parcel, Transport


class Carrier(Protocol):
    """One transport."""

    def carry(self, parcel: Parcel) -> None:
        """Hand a message over; returns once the other side has taken it.

        Bounded in time. A repeated attempt carries the same name, so that the other side can tell.
        Raises diana_common.attempts.Failed.
        """
        ...


class Carriers:
    """All that are configured."""

    def __init__(self, carriers: Mapping[Transport, Carrier]) -> None:
        self._carriers = carriers

    def carry(self, parcel: Parcel) -> None:
        """Hand a message to its transport. Raises diana_common.attempts.Failed."""
        carrier = self._carriers.get(parcel.delivery.recipient.transport)
        if carrier is None:
            raise Unreachable("the transport is not configured")
        carrier.carry(parcel)
