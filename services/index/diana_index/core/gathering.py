"""Taking several batches of a feed together, so that a busy feed costs few transactions and an idle one no wait."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator

from diana_index.core.feed import FeedBatch

_AHEAD = 16
"""Batches read ahead at most; one is at most a message of the feed."""
_MOST_ENTRIES = 500


def gathered(batches: Iterator[FeedBatch], apart_seconds: float) -> Iterator[FeedBatch]:
    """The batches, joined so that two that are yielded lie `apart_seconds` apart while more keep coming.

    A thread reads ahead: cancel the source before giving up the iteration, or the thread lives on.
    """
    ahead: queue.Queue[FeedBatch | BaseException] = queue.Queue(_AHEAD)
    given_up = threading.Event()
    reader = threading.Thread(target=_read, args=(batches, ahead, given_up), name="feed", daemon=True)
    reader.start()
    next_time = 0.0
    try:
        while True:
            joined, end = _join(ahead, next_time)
            if joined:
                next_time = time.monotonic() + apart_seconds
                yield joined
            if isinstance(end, StopIteration):
                return
            if end:
                raise end
    finally:
        given_up.set()


def _read(
    batches: Iterator[FeedBatch], ahead: queue.Queue[FeedBatch | BaseException], given_up: threading.Event
) -> None:
    while not given_up.is_set():
        item: FeedBatch | BaseException
        try:
            item = next(batches)
        except BaseException as error:  # handed to whoever iterates
            item = error
        while not given_up.is_set():
            try:
                ahead.put(item, timeout=0.2)
                break
            except queue.Full:
                continue
        if isinstance(item, BaseException):
            return


def _join(ahead: queue.Queue[FeedBatch | BaseException], until: float) -> tuple[FeedBatch | None, BaseException | None]:
    """One batch, with those that come before `until` or are there already; and what ended the feed, if it did."""
    item = ahead.get()
    if isinstance(item, BaseException):
        return None, item
    joined = item
    while len(joined.entries) < _MOST_ENTRIES:
        try:
            item = ahead.get(timeout=max(until - time.monotonic(), 0.0))
        except queue.Empty:
            break
        if isinstance(item, BaseException):
            return joined, item
        joined = FeedBatch([*joined.entries, *item.entries], item.position, item.entries_behind)
    return joined, None
