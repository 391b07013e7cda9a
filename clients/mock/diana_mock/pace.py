"""When things leave the hospital: simulated time, as fast as is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from queue import Empty, SimpleQueue

from diana_mock.hospital import Made

_NAP_SECONDS = 3600.0


class Stop:
    """Says that it is enough: from a signal's handler too, which threading.Event could wait for ever in."""

    def __init__(self) -> None:
        self._asked = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """It is enough."""
        self._asked = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Whether it is."""
        return self._asked

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until it is enough; whether it is."""
        try:
            self._wake.get(timeout=seconds)
        except Empty:
            pass
        return self._asked


class Pace:
    """Lets through what is due, until it is stopped."""

    def __init__(
        self, speed: float | None, start: datetime, stopped: Stop, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`speed` is seconds of simulated time in a second; None is as fast as can be. Time runs from now on."""
        self._speed, self._start, self._stopped, self._now = speed, start, stopped, now
        self._began = now()

    def hold(self, made: Iterable[Made]) -> Iterator[Made]:
        """The same, each when its time has come; where that is past, at once. Ends when it is stopped."""
        for one in made:
            if self._stopped.is_set() or not self._await(one):
                return
            yield one

    def _await(self, one: Made) -> bool:
        """Whether it was waited for to the end."""
        if self._speed is None:
            return True
        due = self._began + (one.time - self._start).total_seconds() / self._speed
        while (wait := due - self._now()) > 0:
            if self._stopped.wait(min(wait, _NAP_SECONDS)):
                return False
        return True
