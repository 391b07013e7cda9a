"""One service as a child process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from threading import Thread

from diana_cli.mesh.table import ServiceSpec, arguments, log_file, port_file

_LAUNCHER = Path(__file__).with_name("under_parent.py")
_LARGEST_LOG = 16 * 1024 * 1024
_LAUNCH_SECONDS = 5.0
"""More than it takes to make a process; a launch that a signal came before is never begun."""


class Child:
    """A service's process, and those that follow it when it dies."""

    def __init__(self, spec: ServiceSpec, state: Path, listen: str, ended: Callable[[Child], None]) -> None:
        """`ended` is called, from another thread, whenever a process of this child ends."""
        self.spec = spec
        self._state = state
        self._listen = listen
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._launched: Future[None] = Future()
        self._launched.set_result(None)
        self.address = ""
        """Host and port, known once it serves; the processes that follow listen there too."""

    @property
    def pid(self) -> int:
        """The process id of the latest process; 0 before the first."""
        return self._process.pid if self._process else 0

    @property
    def status(self) -> int | None:
        """The exit status of the latest process; None while it runs. Negative: the signal that ended it."""
        return self._process.poll() if self._process else None

    @property
    def age(self) -> float:
        """Seconds since the latest process was started."""
        return time.monotonic() - self._started

    def start(self, addresses: Mapping[str, str]) -> None:
        """Start a process that can reach the services it needs at `addresses`."""
        port_file(self._state, self.spec.name).unlink(missing_ok=True)
        log = log_file(self._state, self.spec.name)
        if log.exists() and log.stat().st_size > _LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        environment = self.spec.environment(self._state, self.address or self._listen, addresses)
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
        command = [*launcher, sys.executable, "-m", self.spec.module, *arguments(self._state, self.spec.name)]
        self._launched = Future()
        # In a thread: a signal that comes in the midst of it must not lose the process just made.
        Thread(
            target=self._run, args=(command, {**os.environ, **environment}, log, self._launched), daemon=True
        ).start()
        self._started = time.monotonic()
        self._launched.result()

    def serves(self) -> bool:
        """Whether the latest process has said where it listens; `address` is set from then on."""
        try:
            self.address = port_file(self._state, self.spec.name).read_text(encoding="utf-8").strip() or self.address
        except FileNotFoundError:
            return False
        return bool(self.address)

    def served_for(self, seconds: float) -> bool:
        """Whether it is at least so long since the latest process said where it listens; False if it never did."""
        try:
            return time.time() - port_file(self._state, self.spec.name).stat().st_mtime >= seconds
        except FileNotFoundError:
            return False

    def terminate(self) -> None:
        """Ask the process to end, when it has finished what it accepted."""
        wait([self._launched], _LAUNCH_SECONDS)
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        """End the process now, and wait until it is gone."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        with log_file(self._state, self.spec.name).open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, lines)).rstrip()

    def _run(self, command: Sequence[str], environment: Mapping[str, str], log: Path, launched: Future[None]) -> None:
        """Start a process, and wait for its end: it is ended by the launcher when this thread ends before."""
        try:
            with log.open("ab") as output:
                process = self._process = subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C is the supervisor's to hear: it ends children in good order
                )
        except BaseException as error:  # raised again where it is waited for
            launched.set_exception(error)
            return
        launched.set_result(None)
        process.wait()
        self._ended(self)
