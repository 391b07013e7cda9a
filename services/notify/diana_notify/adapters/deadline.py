"""A limit on a whole exchange: a socket's own timeout begins anew with every byte that comes."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def deadline(seconds: float, current: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Shut the socket that `current` returns when the time is over, so that whoever waits for it gets an error."""

    def end() -> None:
        if (one := current()) is not None:
            with suppress(OSError):
                # Past TLS: the class's own method would change the object under the thread that reads.
                socket.socket.shutdown(one, socket.SHUT_RDWR)

    number = _WATCH.add(seconds, end)
    try:
        yield
    finally:
        _WATCH.remove(number)


class _Watch:
    """One thread for all deadlines: a timer's own thread for each message would cost as much as the message."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: dict[int, tuple[float, Callable[[], None]]] = {}
        self._number = 0
        self._wake = math.inf
        self._thread: threading.Thread | None = None

    def add(self, seconds: float, end: Callable[[], None]) -> int:
        """Call `end` after so many seconds, unless the number that this returns is removed before."""
        due = time.monotonic() + seconds
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            self._number += 1
            self._pending[self._number] = (due, end)
            if due < self._wake:  # else it wakes early enough
                self._wake = due
                self._changed.notify()
            return self._number

    def remove(self, number: int) -> None:
        """It ended in time."""
        with self._changed:
            self._pending.pop(number, None)

    def _run(self) -> None:
        while True:
            for end in self._over():
                end()

    def _over(self) -> list[Callable[[], None]]:
        """What is due; waits for it if nothing is."""
        with self._changed:
            now = time.monotonic()
            over = [number for number, (due, _) in self._pending.items() if due <= now]
            ends = [self._pending.pop(number)[1] for number in over]
            self._wake = min((due for due, _ in self._pending.values()), default=math.inf)
            if not ends:
                self._changed.wait(None if self._wake == math.inf else self._wake - now)
            return ends


_WATCH = _Watch()
