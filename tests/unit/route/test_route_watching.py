"""Whoever watches jobs hears of every change, once, and of the end."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from diana_route.core.watching import Watching


def test_changes_wait_for_their_watchers_and_count_once() -> None:
    watching = Watching()
    watching.changed(1)
    with watching.watcher() as one, watching.watcher() as other:
        for number in (3, 2, 3):
            watching.changed(number)
        assert one.take() == other.take() == [2, 3]
        watching.changed(4)
        assert one.take() == [4]


def test_a_watcher_waits_for_the_next_change_and_for_the_end() -> None:
    watching = Watching()
    heard: SimpleQueue[list[int] | None] = SimpleQueue()
    with watching.watcher() as watcher:

        def take_two() -> None:
            heard.put(watcher.take())
            heard.put(watcher.take())

        thread = threading.Thread(target=take_two)
        thread.start()
        watching.changed(7)
        assert heard.get() == [7]
        watching.end()
        assert heard.get() is None
        thread.join()


def test_after_the_end_nobody_waits() -> None:
    watching = Watching()
    watching.end()
    with watching.watcher() as watcher:
        watching.changed(1)
        assert watcher.take() is None
