"""Who watches jobs is told which changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Watcher:
    """Gathers the numbers of jobs that changed, until its owner takes them; those of one job count once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers: set[int] = set()
        self._ended = False

    def add(self, number: int) -> None:
        """A job changed."""
        with self._changed:
            self._numbers.add(number)
            self._changed.notify()

    def end(self) -> None:
        """From any thread: there will be nothing more."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def take(self) -> list[int] | None:
        """The numbers of jobs that changed since the last time, once there are any; None when it has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._numbers or self._ended)
            if self._ended:
                return None
            numbers, self._numbers = sorted(self._numbers), set()
            return numbers


class Watching:
    """Tells watchers of changes. Safe to share between threads; whoever changes a job never waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: set[Watcher] = set()
        self._ended = False

    def changed(self, number: int) -> None:
        """A job changed, or is new; call it once the journal shows the change."""
        with self._lock:
            for watcher in self._watchers:
                watcher.add(number)

    @contextmanager
    def watcher(self) -> Iterator[Watcher]:
        """One more watcher, who hears of every change from now on."""
        watcher = Watcher()
        with self._lock:
            self._watchers.add(watcher)
            if self._ended:
                watcher.end()
        try:
            yield watcher
        finally:
            with self._lock:
                self._watchers.discard(watcher)

    def end(self) -> None:
        """End all watchers, for good."""
        with self._lock:
            self._ended = True
            for watcher in self._watchers:
                watcher.end()
