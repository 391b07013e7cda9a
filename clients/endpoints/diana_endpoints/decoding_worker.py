"""Decoders in a process of their own: they are C, and a damaged frame may end the process that they run in.

`python -m diana_endpoints.decoding_worker` reads requests from its standard input and answers on its output: a JSON
object behind its length (4 bytes, big endian), and then as many bytes as its "size" says.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from contextlib import suppress
from functools import cache
from threading import Lock, Timer
from typing import IO, TYPE_CHECKING, Any

from diana_common.errors import DianaError, Reason

if TYPE_CHECKING:
    import numpy as np

_PATIENCE = 120.0
"""Seconds that one frame may take."""


class Worker:
    """One process, made when it is needed and again after it was ended. Threads take turns."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, frame: bytes, syntax: str, options: dict[str, Any]) -> np.ndarray[Any, Any]:
        """One compressed frame as an array. Raises DianaError NOT_AN_IMAGE, OSError if there can be no process."""
        import numpy as np

        request = {"syntax": syntax, "options": options, "size": len(frame)}
        with self._lock:
            told, data = self._ask(request, frame)
        if "shape" not in told:
            raise DianaError(Reason.NOT_AN_IMAGE, "the object makes no image: the pixels cannot be decoded")
        return np.frombuffer(data, told["dtype"]).reshape(told["shape"])

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            if self._process:
                self._end(self._process)

    def _ask(self, request: dict[str, Any], frame: bytes) -> tuple[dict[str, Any], bytes]:
        process = self._running()
        timer = Timer(_PATIENCE, process.kill)
        timer.start()
        try:
            if process.stdin and process.stdout:
                _write(process.stdin, request, frame)
                return _read(process.stdout)
        except (BrokenPipeError, EOFError):
            self._end(process)
        except BaseException:  # half an answer may be left, which must not be the next one's
            self._end(process)
            raise
        finally:
            timer.cancel()
        return {}, b""

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-m", __name__]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        return self._process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        self._process = None
        with suppress(BrokenPipeError), process:  # closing says so where something was left to be sent
            pass
        process.wait()


@cache
def worker() -> Worker:
    """The one of this process, which ends with it."""
    made = Worker()
    atexit.register(made.close)
    return made


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until they end."""
    while True:
        try:
            request, frame = _read(requests)
        except EOFError:
            return
        try:
            array = _decoded(request, frame)
            _write(answers, {"shape": array.shape, "dtype": array.dtype.str, "size": array.nbytes}, array.tobytes())
        except BrokenPipeError:
            return
        except Exception:  # whatever a decoder raises is an answer; what ends the process is seen by who asked
            _write(answers, {"size": 0}, b"")


def _decoded(request: dict[str, Any], frame: bytes) -> np.ndarray[Any, Any]:
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    source = encapsulate([frame], has_bot=False)
    array, _ = get_decoder(UID(request["syntax"])).as_array(source, index=0, **request["options"])
    return array


def _write(stream: IO[bytes], head: dict[str, Any], data: bytes) -> None:
    text = json.dumps(head).encode()
    stream.write(len(text).to_bytes(4, "big") + text)
    stream.write(data)
    stream.flush()


def _read(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    head = json.loads(_exactly(stream, int.from_bytes(_exactly(stream, 4), "big")))
    return head, _exactly(stream, head["size"])


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


if __name__ == "__main__":
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints is no answer
    serve(sys.stdin.buffer, out)
