"""DCMTK's programs as the other end of a door: senders, retrievers and a sink."""

import contextlib
import os
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.room import BenchError

_SECONDS = 600.0


def send(port: int, title: str, paths: Sequence[Path], associations: int, *, no_delay: bool = True) -> float:
    """Send the files by `dcmsend`, over so many associations at once; seconds until the last is answered.

    `no_delay` turns Nagle's algorithm off at the sender; as Debian builds it, DCMTK leaves it on. Raises BenchError
    when a program fails.
    """
    shares = [[str(path) for path in paths[number::associations]] for number in range(associations)]
    command = ["dcmsend", "--quiet", "-aec", title, "127.0.0.1", str(port)]
    return _run([[*command, *share] for share in shares], no_delay)


def get(port: int, title: str, study_uid: str, folder: Path) -> float:
    """Fetch a study by C-GET into a folder; seconds."""
    query = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_uid}"]
    keeping = ["--bit-preserving", "-od", str(folder)]
    return _run([["getscu", "--quiet", "-S", "-aec", title, *keeping, *query, "127.0.0.1", str(port)]], True)


def move(port: int, title: str, study_uid: str, destination: str) -> float:
    """Have a study sent to a destination by C-MOVE; seconds."""
    query = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_uid}"]
    return _run(
        [["movescu", "--quiet", "-S", "-aec", title, "-aem", destination, *query, "127.0.0.1", str(port)]], True
    )


@contextlib.contextmanager
def sink(port: int, folder: Path) -> Iterator[None]:
    """A `storescp` that takes all and keeps nothing."""
    command = ["storescp", "--quiet", "--ignore", "-aet", "SINK", "-od", str(folder), str(port)]
    with subprocess.Popen(command, env=_environment(True)) as child:
        try:
            await_port(port)
            yield
        finally:
            child.terminate()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _run(commands: Sequence[Sequence[str]], no_delay: bool) -> float:
    started = time.perf_counter()
    children = [subprocess.Popen(command, env=_environment(no_delay)) for command in commands]
    for child in children:
        _await_end(child)
    seconds = time.perf_counter() - started
    statuses = [child.wait(timeout=1) for child in children]
    if any(statuses):
        raise BenchError(f"{commands[0][0]} ended with {max(statuses)}")
    return seconds


def _await_end(child: subprocess.Popen[bytes]) -> None:
    """Popen's own wait with a timeout looks every 50 ms only, which would be most of what is measured."""
    descriptor = os.pidfd_open(child.pid)
    try:
        if not select.select([descriptor], [], [], _SECONDS)[0]:
            child.kill()
            raise BenchError("a program of DCMTK does not end")
    finally:
        os.close(descriptor)


def _environment(no_delay: bool) -> dict[str, str]:
    return {**os.environ, "TCP_NODELAY": "1"} if no_delay else {**os.environ}


def await_port(port: int) -> None:
    """Return once somebody listens there. Raises BenchError."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise BenchError("storescp does not listen")
