"""Moves an upload's messages from the network to the disk while answers go the other way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from typing import TypeVar

from diana_archive.core.uploads import Answer, Chunk, Upload
from diana_common.errors import DianaError, Reason

M = TypeVar("M")
_AHEAD = 2
_LARGE = 256 * 1024


class Lanes:
    """How many uploads run, so that a lone one may use a second thread and many do without.

    Receiving overlaps with digesting and writing on one stream; with several, they overlap with one
    another, and handing messages from thread to thread only costs.
    """

    def __init__(self, most_overlapped: int = 1) -> None:
        self._most = most_overlapped
        self._running = 0
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """One more runs; whether it may overlap."""
        with self._lock:
            self._running += 1
            return self._running <= self._most

    def leave(self) -> None:
        """One less."""
        with self._lock:
            self._running -= 1


class Pump:
    """Feeds an upload from its messages in threads of its own; `answers` is for the caller's thread."""

    def __init__(self, upload: Upload, messages: Iterable[Iterable[Chunk]], lanes: Lanes) -> None:
        self._upload = upload
        self._messages = messages
        self._lanes = lanes
        self._stopped = threading.Event()

    def answers(self, stopping: threading.Event, poll_seconds: float = 0.5) -> Iterator[list[Answer]]:
        """Answers as they come, until the input has ended and all are given.

        When the server stops, what was taken is answered, then STOPPING is raised. Whatever makes this
        iterator end early cuts the upload.
        """
        threading.Thread(target=self._run, args=(stopping,), name="upload", daemon=True).start()
        try:
            while (answers := self._upload.answers(poll_seconds)) is not None:
                if answers:
                    yield answers
                elif stopping.is_set() and self._upload.settled():
                    raise _stopping()
        finally:
            self._stopped.set()
            self._upload.cut()

    def _run(self, stopping: threading.Event) -> None:
        overlapped = self._lanes.enter()
        failure: BaseException | None = None
        try:
            for message in _read_large_ahead(self._messages) if overlapped else self._messages:
                if self._stopped.is_set():
                    break
                if stopping.is_set():
                    raise _stopping()
                self._upload.write(message)
        except Exception as error:  # raised again where the answers are read
            failure = error
        finally:
            self._upload.end(failure)
            self._lanes.leave()


def first_message(messages: Iterator[M], stopping: threading.Event, poll_seconds: float = 0.5) -> M | None:
    """The first of a stream's messages, None without any; raises STOPPING rather than wait for a silent client."""
    first: Future[M | None] = Future()

    def read() -> None:
        try:
            first.set_result(next(messages, None))
        except BaseException as error:  # raised again in the thread that waits
            first.set_exception(error)

    threading.Thread(target=read, name="upload-first", daemon=True).start()
    while not wait([first], poll_seconds).done:
        if stopping.is_set():
            raise _stopping()
    return first.result()


class _End:
    """What ended the messages."""

    def __init__(self, failure: BaseException | None) -> None:
        self.failure = failure


def _read_large_ahead(messages: Iterable[Iterable[Chunk]]) -> Iterator[Iterable[Chunk]]:
    """The same messages, read ahead once one was large: what takes no time to arrive is not worth another thread."""
    coming = iter(messages)
    for message in coming:
        yield message
        if isinstance(message, list) and sum(len(one.data) for one in message) >= _LARGE:
            yield from _read_ahead(coming)


def _read_ahead(messages: Iterable[Iterable[Chunk]]) -> Iterator[Iterable[Chunk]]:
    """The same messages, read by another thread, a few ahead."""
    ready: queue.Queue[Iterable[Chunk] | _End] = queue.Queue(_AHEAD)
    stopped = threading.Event()
    threading.Thread(target=_read, args=(messages, ready, stopped), name="upload-reader", daemon=True).start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.failure:
            raise item.failure
    finally:
        stopped.set()
        while not ready.empty():
            ready.get_nowait()


def _read(
    messages: Iterable[Iterable[Chunk]], ready: queue.Queue[Iterable[Chunk] | _End], stopped: threading.Event
) -> None:
    failure: BaseException | None = None
    try:
        for message in messages:
            ready.put(message)
            if stopped.is_set():
                break
    except Exception as error:  # raised again in the thread that takes the messages
        failure = error
    ready.put(_End(failure))


def _stopping() -> DianaError:
    return DianaError(Reason.STOPPING, "The archive is stopping.")
