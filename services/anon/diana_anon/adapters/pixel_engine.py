"""Codecs and the reader of text, in worker processes that are bounded in time and memory, and started anew."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import Pipe
from typing import Any

from diana_anon.core.pixels.faults import missing, unreadable
from diana_anon.core.pixels.model import Finding, Region, Shape, Window

MIB = 1024 * 1024
MEMORY_BYTES = 4096 * MIB
"""Address space of one worker: with the models loaded it takes up about 800 MiB, of which 300 MiB are used."""
SECONDS = 120.0
"""What one frame may take for every `_PIXELS` it has or has begun: usually it is some hundredths of that."""
_PIXELS = 4_000_000


class _Died(Exception):
    """The worker ended before it answered; `late` says that it was ended for taking too long."""

    def __init__(self, late: bool) -> None:
        super().__init__()
        self.late = late


class _Process:
    """One worker. Not to be used from two threads at a time."""

    def __init__(self, memory_bytes: int) -> None:
        self._connection, theirs = Pipe()
        command = [sys.executable, "-m", "diana_anon.adapters.pixel_worker", str(theirs.fileno()), str(memory_bytes)]
        with theirs:
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt of the service lets it finish
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, head: dict[str, Any], data: bytes | memoryview, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Its answer. Raises _Died."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(seconds, end)
        watch.start()
        try:
            self._connection.send_bytes(json.dumps(head).encode())
            self._connection.send_bytes(data)
            return json.loads(self._connection.recv_bytes()), self._connection.recv_bytes()
        except (EOFError, OSError, ValueError):
            raise _Died(late.is_set()) from None
        finally:
            watch.cancel()

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.kill()
        self._process.wait()


class PixelEngine:
    """core.pixels.cleaner.Engine: as many workers as `at_once`, none before the first frame."""

    def __init__(self, at_once: int = 2, memory_bytes: int = MEMORY_BYTES, seconds: float = SECONDS) -> None:
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._places = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._closed = False

    def decode(self, frame: bytes | memoryview, transfer_syntax_uid: str, shape: Shape) -> tuple[bytes, Shape]:
        """See core.pixels.model.Codec."""
        head = {"do": "decode", "syntax": transfer_syntax_uid, "shape": asdict(shape)}
        answer, samples = self._ask(head, frame)
        decoded = Shape(**answer["shape"])
        if len(samples) != decoded.frame_bytes:
            raise unreadable("a frame is not as large as its header says")
        return samples, decoded

    def encode(self, samples: bytes, transfer_syntax_uid: str, shape: Shape) -> bytes:
        """See core.pixels.model.Codec."""
        return self._ask({"do": "encode", "syntax": transfer_syntax_uid, "shape": asdict(shape)}, samples)[1]

    def read(self, samples: bytes | memoryview, shape: Shape, window: Window) -> list[Finding]:
        """See core.pixels.model.TextReader."""
        palette = [(first, entries.hex()) for first, entries in window.palette]
        head = {"do": "read", "shape": asdict(shape), "window": {**asdict(window), "palette": palette}}
        found = self._ask(head, samples)[0]["findings"]
        return [Finding(**{**one, "region": Region(**one["region"])}) for one in found]

    def worker_pids(self) -> list[int]:
        """The workers that wait for work."""
        with self._lock:
            return [worker.pid for worker in self._idle]

    def close(self) -> None:
        """End the workers; those at work as soon as they have answered."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()

    def _ask(self, head: dict[str, Any], data: bytes | memoryview) -> tuple[dict[str, Any], bytes]:
        """What a worker answers. One that dies of what it was given dies of it twice; another may be to blame once."""
        try:
            answer, result = self._once(head, data)
        except _Died as died:
            if died.late:
                raise unreadable("a frame takes too long") from None
            try:
                answer, result = self._once(head, data)
            except _Died:
                raise unreadable("a frame makes its decoder fail") from None
        if answer.get("error") == "missing":
            raise missing()
        if "error" in answer:
            raise unreadable("a frame is damaged, or encoded as nobody here can read")
        return answer, result

    def _once(self, head: dict[str, Any], data: bytes | memoryview) -> tuple[dict[str, Any], bytes]:
        shape = head["shape"]
        parts = 1 + shape["rows"] * shape["columns"] // _PIXELS
        with self._places, self._worker() as worker:
            return worker.ask(head, data, self._seconds * parts)

    @contextmanager
    def _worker(self) -> Iterator[_Process]:
        """A worker, put back once it has answered."""
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        worker = worker or _Process(self._memory_bytes)
        try:
            yield worker
        except BaseException:
            worker.close()
            raise
        with self._lock:
            if not self._closed:
                self._idle.append(worker)
                return
        worker.close()
