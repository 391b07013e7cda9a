"""Processes that read headers, and what they answer."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, cast

from diana_common.errors import DianaError, Reason
from diana_index.adapters.header_worker import read_frame, write_frame
from diana_index.adapters.trees import HostTree
from diana_index.core.folders.model import Counts, Shared, shown
from diana_index.core.folders.ports import Part, Tree, Wanted
from diana_index.core.folders.registry import Row

_PARTS = 4
"""Of each request, so many are held until somebody takes them."""
_LOOK_SECONDS = 0.2
_END_SECONDS = 5.0
"""A process that waits for a disk that does not answer is not ended by a kill: it goes when the disk is back."""

Answer = Part | Exception | None


class HeaderPool:
    """core.folders.ports.Readers: each process has a thread here, which asks it one thing at a time."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._workers = [_Worker(self._requests) for _ in range(count)]

    def read(self, tree: Tree, wanted: Sequence[Wanted]) -> Generator[Part, None, None]:
        """See Readers."""
        request = _Request(cast(HostTree, tree), wanted)
        self._requests.put(request)
        return self._parts(request)

    def close(self) -> None:
        """See Readers."""
        for worker in self._workers:
            worker.stop()
        for _ in self._workers:
            self._requests.put(None)
        for worker in self._workers:
            worker.join()

    def _parts(self, request: _Request) -> Generator[Part, None, None]:
        while True:
            try:
                answer = request.answers.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                yield Part([], {})  # whoever waits may have been told to stop
                continue
            if answer is None:
                return
            if isinstance(answer, Exception):
                raise answer
            yield answer


@dataclass
class _Request:
    tree: HostTree
    wanted: Sequence[Wanted]
    answers: queue.Queue[Answer] = field(default_factory=lambda: queue.Queue(_PARTS))


class _Worker:
    """One process, started when it is first needed, and again when it ended."""

    def __init__(self, requests: queue.SimpleQueue[_Request | None]) -> None:
        self._requests = requests
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="header-reader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give up what is being read."""
        with self._lock:
            self._stopping.set()
            if self._process:
                self._process.kill()

    def join(self) -> None:
        """Wait for its end; not for a process that a kill does not end."""
        self._thread.join(2 * _END_SECONDS)

    def _run(self) -> None:
        while (request := self._requests.get()) is not None and not self._stopping.is_set():
            try:
                for part in self._read(request.tree, request.wanted):
                    self._hand_over(request, part)
                self._hand_over(request, None)
            except Exception as error:
                self._hand_over(request, error)
        self._end()

    def _hand_over(self, request: _Request, answer: Answer) -> None:
        while not self._stopping.is_set():
            with suppress(queue.Full):
                request.answers.put(answer, timeout=_LOOK_SECONDS)
                return

    def _read(self, tree: HostTree, wanted: Sequence[Wanted]) -> Iterator[Part]:
        """What came of all; a file that takes the process with it is a failure, and the rest are read by a new one."""
        done = 0
        try:
            for part, files in self._answers(tree, wanted):
                yield part
                done = files
            return
        except (EOFError, OSError):
            self._end()
            if self._stopping.is_set():
                return
        left = _after(wanted, done)
        if sum(len(names) for _, _, names in left) == 1:
            (number, directory, names) = left[0]
            yield _lost(number, names[0])
            return
        for number, directory, names in left:
            for name in names:
                for part in self._read(tree, [Wanted(directory, [name])]):
                    yield _renumbered(part, number)

    def _answers(self, tree: HostTree, wanted: Sequence[Wanted]) -> Iterator[tuple[Part, int]]:
        process = self._started()
        place = tree.place
        message = (os.fsencode(place.root), list(place.parts), [(one.directory, list(one.names)) for one in wanted])
        write_frame(cast(Any, process.stdin), message)
        last = False
        while not last:
            shared, rows, counts, failures, done, last = read_frame(cast(Any, process.stdout))
            yield _part(shared, rows, counts, failures), done

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopping.is_set():
                raise EOFError
            if self._process is None:
                # Warnings would go to the log as they are, and pydicom's quote values.
                command = [sys.executable, "-W", "ignore", "-m", "diana_index.adapters.header_worker"]
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process:
            process.kill()
            for stream in cast("tuple[IO[bytes], IO[bytes]]", (process.stdin, process.stdout)):
                with suppress(OSError):
                    stream.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)


def _part(shared: Sequence[Any], rows: Sequence[Any], counts: Any, failures: Sequence[Any]) -> Part:
    values = [*map(Shared._make, shared), None]  # -1 is the last
    return Part(
        [(row[0], Row._make((*row[1:8], values[row[8]], row[9], row[10]))) for row in rows],
        {number: Counts(read=read, skipped=skipped, failed=lost) for number, (read, skipped, lost) in counts.items()},
        [(number, name, DianaError(Reason[reason], message)) for number, name, reason, message in failures],
    )


def _after(wanted: Sequence[Wanted], done: int) -> list[tuple[int, bytes, Sequence[bytes]]]:
    """What is left when so many files are done: number, directory and names."""
    left = []
    for number, (directory, names) in enumerate(wanted):
        if rest := names[done:]:
            left.append((number, directory, rest))
        done = max(done - len(names), 0)
    return left


def _lost(number: int, name: bytes) -> Part:
    error = DianaError(Reason.INTERNAL, "The process that read it ended unexpectedly.")
    return Part([], {number: Counts(failed=1)}, [(number, shown(name), error)])


def _renumbered(part: Part, number: int) -> Part:
    """A part of a request for one directory, as one of a request where it has this number."""
    return Part(
        [(number, row) for _, row in part.rows],
        {number: part.counts.get(0, Counts())},
        [(number, name, error) for _, name, error in part.failures],
    )
