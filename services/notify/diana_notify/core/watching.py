"""Following the ledger: whoever watches holds a place in its changes, and no list of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from diana_notify.core.ledger import Ledger
from diana_notify.core.model import Delivery

_AT_A_TIME = 200

_LAST = 1 << 62
"""Behind every delivery of a change."""


@dataclass
class Changes:
    """The number of the ledger's newest change, and where to wait for the next one. Safe to share between threads."""

    newest: int = 0
    _told: threading.Condition = field(default_factory=threading.Condition)
    _closed: bool = False

    def publish(self, newest: int) -> None:
        """A change is durable, and all before it are."""
        with self._told:
            self.newest = newest
            self._told.notify_all()

    def wait(self, place: int, ended: Callable[[], bool]) -> bool:
        """Wait for a change after `place`; False once `ended` is true or nothing comes any more."""
        with self._told:
            self._told.wait_for(lambda: self.newest > place or self._closed or ended())
            return not (self._closed or ended())

    def wake(self) -> None:
        """Have those who wait look whether they have ended."""
        with self._told:
            self._told.notify_all()

    def close(self) -> None:
        """End every wait, those to come too."""
        with self._told:
            self._closed = True
            self._told.notify_all()


class LedgerWatch:
    """What has not ended, then each delivery that changes: one iteration, by one thread.

    One that changes several times while nobody asks is told of once, as it is then.
    """

    def __init__(self, ledger: Ledger, changes: Changes, channel: str) -> None:
        self._ledger = ledger
        self._changes = changes
        self._channel = channel
        self._ended = threading.Event()

    def __iter__(self) -> Iterator[Delivery]:
        place = (self._changes.newest, _LAST)
        yield from self._queued()
        while self._changes.wait(place[0], self._ended.is_set):
            newest = self._changes.newest
            while found := self._ledger.changed_after(place, self._channel, _AT_A_TIME):
                for _, delivery in found:
                    yield delivery
                place = (found[-1][0], found[-1][1].number)
            place = max(place, (newest, _LAST))

    def cancel(self) -> None:
        """End it, from any thread."""
        self._ended.set()
        self._changes.wake()

    def _queued(self) -> Iterator[Delivery]:
        number, more = 0, True
        while more:
            found = self._ledger.queued_after(number, self._channel, _AT_A_TIME)
            yield from found
            more = len(found) == _AT_A_TIME
            number = found[-1].number if found else number
