"""Threads that do what falls due, and sleep until then."""

from __future__ import annotations

import threading
from collections.abc import Callable

_FAULT_SECONDS = 30.0
_JOIN_SECONDS = 2.0


class Worker:
    """Calls `work` again and again. `start` it once, and `stop` it."""

    def __init__(
        self, name: str, work: Callable[[], float], on_fault: Callable[[Exception], None], threads: int = 1
    ) -> None:
        """`work` does one piece and returns the seconds after which there may be more; 0: at once."""
        self._work, self._on_fault = work, on_fault
        self._condition = threading.Condition()
        self._calls = 0
        self._is_stopping = False
        self._threads = [threading.Thread(target=self._run, name=name, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        """Work from now on."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There may be something to do now."""
        with self._condition:
            self._calls += 1
            self._condition.notify_all()

    def stop(self) -> None:
        """Begin nothing more; what is under way gets a moment."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while not self._is_stopping:
            calls = self._calls
            self._sleep(self._seconds(), calls)

    def _sleep(self, seconds: float, calls: int) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._is_stopping or self._calls != calls, seconds)

    def _seconds(self) -> float:
        try:
            return self._work()
        except Exception as error:  # one bad piece must not end the thread that all others need
            if not self._is_stopping:
                self._on_fault(error)
            return _FAULT_SECONDS
