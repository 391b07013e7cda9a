"""A real S3 server on the loopback: nanio, in a process of its own, with one bucket. It ignores If-None-Match."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCESS_KEY = "diana"
SECRET_KEY = "diana-secret"
BUCKET = "archive"
_START_SECONDS = 30.0


class S3Server:
    """A server over a directory. It may be stopped and started on the same port."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "data" / BUCKET).mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve; it answers when this returns."""
        arguments = ["serve", "--host", "127.0.0.1", "--port", str(self.port), "--no-access-log"]
        secrets = {"NANIO_ACCESS_KEY": ACCESS_KEY, "NANIO_SECRET_KEY": SECRET_KEY}
        with open(self._directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nanio", *arguments, "--data-dir", str(self._directory / "data")],
                env={**os.environ, **secrets},
                stdout=log,
                stderr=log,
            )
        self._wait()

    def stop(self) -> None:
        """Serve no more."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()

    def path(self, key: str) -> Path:
        """Where it keeps an object's bytes."""
        return self._directory / "data" / BUCKET / key

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while self._process and self._process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError("the S3 server did not start")


@contextmanager
def serving(directory: Path) -> Iterator[S3Server]:
    """A server that answers."""
    server = S3Server(directory)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def write_credentials(path: Path) -> Path:
    """The server's credentials as a file."""
    path.write_text(f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
    return path
