"""Debian's Orthanc with its defaults: its own storage and SQLite index, fsync on, no plugins; free loopback ports."""

import contextlib
import http.client
import json
import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.room import BenchError

BINARY = Path("/usr/sbin/Orthanc")
START_SECONDS = 30
STOP_SECONDS = 60
ANONYMIZE_SECONDS = 300


@dataclass(frozen=True)
class Orthanc:
    """One that runs: where its REST and DICOM doors are. Its AE title is ORTHANC."""

    http_port: int
    dicom_port: int
    pid: int

    def get(self, path: str) -> Any:
        """The JSON that REST answers to `path`."""
        with contextlib.closing(connect(self.http_port)) as connection:
            return _ask(connection, "GET", path)


def version() -> str:
    """What the binary says of itself, such as `1.10.1`."""
    _require()
    first = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return first.split()[-1]


@contextlib.contextmanager
def running(folder: Path, more: Mapping[str, Any] | None = None, *, no_delay: bool = False) -> Iterator[Orthanc]:
    """Start an empty Orthanc that keeps everything in `folder`; stop it by its process id at the end.

    `more` settings than its defaults may be given; `no_delay` turns Nagle's algorithm off in its DICOM door.
    Raises BenchError when it is not installed or does not answer in time.
    """
    _require()
    http_port, dicom_port = _free_ports(2)
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        **(more or {}),
    }
    environment = {**os.environ, "TCP_NODELAY": "1"} if no_delay else None
    config = folder / "orthanc.json"
    config.write_text(json.dumps(settings))
    with (
        open(folder / "orthanc.log", "wb") as log,
        subprocess.Popen([BINARY, config], cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment) as child,
    ):
        try:
            orthanc = Orthanc(http_port, dicom_port, child.pid)
            _wait(orthanc, child)
            yield orthanc
        finally:
            _stop(child)


def upload(orthanc: Orthanc, paths: Sequence[Path], clients: int) -> float:
    """Send the files by `clients` keep-alive connections at once; seconds until the last is answered.

    Orthanc answers when an instance is stored and in its index. Raises BenchError when it refuses one.
    """
    work: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for path in paths:
        work.put(path)
    failures: list[BenchError | OSError] = []
    connections = [connect(orthanc.http_port) for _ in range(clients)]
    threads = [threading.Thread(target=_send, args=(connection, work, failures)) for connection in connections]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    for connection in connections:
        connection.close()
    if failures:
        raise failures[0]
    return seconds


def download(orthanc: Orthanc, study_uid: str) -> tuple[float, int]:
    """Take a study file by file over one keep-alive connection, keeping nothing; seconds and bytes.

    That is its fast way: asked for the study as a ZIP, it compresses it.
    """
    with contextlib.closing(connect(orthanc.http_port)) as connection:
        started = time.perf_counter()
        size = 0
        (study,) = _ask(connection, "POST", "/tools/lookup", study_uid)
        for series in _ask(connection, "GET", f"/studies/{study['ID']}")["Series"]:
            for instance in _ask(connection, "GET", f"/series/{series}")["Instances"]:
                connection.request("GET", f"/instances/{instance}/file")
                size += len(_answer(connection).read())
        return time.perf_counter() - started, size


def find_studies(orthanc: Orthanc, patient_ids: Sequence[str]) -> float:
    """Ask for each patient's studies with their main tags, one question after the other on one connection; seconds.

    Raises BenchError when a patient has not exactly one.
    """
    questions = [
        json.dumps({"Level": "Study", "Expand": True, "Query": {"PatientID": patient_id}}) for patient_id in patient_ids
    ]
    with contextlib.closing(connect(orthanc.http_port)) as connection:
        started = time.perf_counter()
        found = [len(_ask(connection, "POST", "/tools/find", question)) for question in questions]
        seconds = time.perf_counter() - started
    if set(found) != {1}:
        raise BenchError("Orthanc did not find a patient of one study as such")
    return seconds


def anonymize(orthanc: Orthanc) -> float:
    """De-identify the only study there is, by Orthanc's own profile; seconds. The source stays."""
    with contextlib.closing(connect(orthanc.http_port)) as connection:
        (study,) = _ask(connection, "GET", "/studies")
        connection.sock.settimeout(ANONYMIZE_SECONDS)
        started = time.perf_counter()
        _ask(connection, "POST", f"/studies/{study}/anonymize", "{}")
        return time.perf_counter() - started


def connect(port: int) -> http.client.HTTPConnection:
    """A keep-alive connection without Nagle's delay, which would cost 40 ms a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, blocksize=1 << 20)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _send(
    connection: http.client.HTTPConnection, work: "queue.SimpleQueue[Path]", failures: list[BenchError | OSError]
) -> None:
    try:
        while not failures:
            connection.request("POST", "/instances", work.get_nowait().read_bytes())
            _answer(connection).read()
    except queue.Empty:
        pass
    except (BenchError, OSError) as error:
        failures.append(error)


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None) -> Any:
    connection.request(method, path, body)
    return json.load(_answer(connection))


def _answer(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    response = connection.getresponse()
    if response.status != http.client.OK:
        raise BenchError(f"Orthanc answered {response.status}")
    return response


def _wait(orthanc: Orthanc, child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError, BenchError):
            orthanc.get("/system")
            return
        time.sleep(0.05)
    raise BenchError("Orthanc did not start; see orthanc.log in its scratch folder")


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def _require() -> None:
    if not BINARY.exists():
        raise BenchError("Orthanc is not installed: apt-get install orthanc")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
