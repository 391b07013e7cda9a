"""Instances in another transfer syntax: made by worker processes that are bounded in time and memory.

What is converted came from anywhere and the codecs are C: a worker may crash over it, and is started anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path
from typing import BinaryIO

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters.spool import DiskSpool
from diana_dimse.core.intake.receiving import Piece
from diana_dimse.core.sending.selection import StoredInstance

_MIB = 1024 * 1024
_MEMORY_BYTES = 2048 * _MIB
"""Address space of one worker; a frame and the data set without pixels are what it holds."""
_MOST_BYTES = 2048 * _MIB
"""The largest instance that is converted, as it is kept."""
_SECONDS = 60.0
_SECONDS_A_MIB = 1.0
_COMMAND = (sys.executable, "-m", "diana_dimse.adapters.transcoding_worker")


class FileTranscoder:
    """The core's `Transcoder`: as many workers as `at_once`, none before the first instance."""

    def __init__(self, spool: DiskSpool, at_once: int = 2) -> None:
        """`spool`: where what is converted lies meanwhile."""
        self._spool = spool
        self._places = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._is_closed = False

    @contextmanager
    def convert(
        self, instance: StoredInstance, pieces: Iterable[Piece], transfer_syntax: str
    ) -> Iterator[_ConvertedFile]:
        """An instance in an uncompressed transfer syntax, while the context lasts.

        Raises DianaError PIXELS_UNREADABLE, DISK_FULL, INSTANCE_TOO_LARGE, and what `pieces` raises.
        """
        if instance.size_bytes > _MOST_BYTES:
            raise DianaError(Reason.INSTANCE_TOO_LARGE, "The instance is too large to be converted.")
        source, source_file = self._spool.create()
        target, target_file = self._spool.create()
        try:
            with source_file, target_file:
                _write(source_file, pieces)
            seconds = _SECONDS + _SECONDS_A_MIB * instance.size_bytes / _MIB
            self._ask([str(self._spool.path(source)), str(self._spool.path(target)), transfer_syntax], seconds)
            yield _ConvertedFile(transfer_syntax, self._spool.path(target))
        finally:
            self._spool.remove(source)
            self._spool.remove(target)

    def close(self) -> None:
        """End the workers; those at work as soon as they have answered."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()

    def _ask(self, question: list[str], seconds: float) -> None:
        with self._places, self._worker() as worker:
            error = worker.ask(question, seconds)
        if error:
            raise DianaError(Reason.PIXELS_UNREADABLE, f"The instance cannot be converted: {error}.")

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        """A worker, put back once it has answered."""
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        worker = worker or _Worker()
        yield worker
        with self._lock:
            if worker.is_alive and not self._is_closed:
                self._idle.append(worker)
                return
        worker.close()


class _ConvertedFile:
    """The core's `Converted`."""

    def __init__(self, transfer_syntax: str, path: Path) -> None:
        self.transfer_syntax, self._path = transfer_syntax, path

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb", buffering=0) as file:
            while piece := file.read(_MIB):
                yield piece


class _Worker:
    """One process. Not to be used from two threads at a time."""

    def __init__(self) -> None:
        self.is_alive = True
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [*_COMMAND, str(theirs.fileno()), str(_MEMORY_BYTES)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt of the service lets it finish
            )

    def ask(self, question: list[str], seconds: float) -> str:
        """What went wrong; empty if nothing did."""
        try:
            self._connection.send_bytes(json.dumps(question).encode())
            if self._connection.poll(seconds):
                return self._connection.recv_bytes().decode()
            error = "it takes too long"
        except (EOFError, OSError):
            error = "its decoder failed"
        self.is_alive = False
        return error

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.kill()
        self._process.wait()


def _write(file: BinaryIO, pieces: Iterable[Piece]) -> None:
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]
    except OSError as error:
        raise DianaError(Reason.DISK_FULL, "The spool directory takes no more.") from error
