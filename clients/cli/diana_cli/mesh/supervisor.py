"""The supervisor: starts the services in order, starts again what dies, and stops all in good order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from diana_cli.mesh.child import Child
from diana_cli.mesh.state import StateLock, forget_mesh, write_mesh
from diana_cli.mesh.table import SERVICES, ServiceSpec, log_file, port_file
from diana_client import HealthClient, MeshError, Serving, connect

START_SECONDS = 60.0
"""How long a service may take until it serves."""
GRACE_SECONDS = 25.0
"""How long a service may take to end; more than its own grace for calls under way."""
SERVED_SECONDS = 3.0
"""A process that served for as long has died for once: what it did before is not held against it."""
DEATHS_IN_A_ROW = 5
"""After so many deaths that nothing of the kind lies between, one more, and the mesh is given up."""
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.1, 5.0
_POLL_SECONDS = 0.02


class MeshFailed(Exception):
    """A service of the mesh does not start, or not stay up; `log` is the end of what it wrote."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(f"{message}; the end of its log:\n{log}")
        self.message = message
        self.log = log


class Mesh:
    """A supervised mesh of local processes on one state folder. Use it from one thread, as `with Mesh(...)`."""

    def __init__(
        self, state: Path, *, free_ports: bool = False, report: Callable[[str], None] = lambda _: None
    ) -> None:
        """`report` is told, in a line, of what happens to the services."""
        self.state = state.absolute()
        self._report = report
        self._events: SimpleQueue[Child | None] = SimpleQueue()
        self._stop_requests = 0
        self._children = {
            spec.name: Child(spec, self.state, f"127.0.0.1:{0 if free_ports else spec.port}", self._events.put)
            for spec in SERVICES
        }
        self._deaths = dict.fromkeys(self._children, 0)
        self._due: dict[str, float] = {}
        self._lock: StateLock | None = None

    @property
    def addresses(self) -> dict[str, str]:
        """Host and port of every service that has told them."""
        return {name: child.address for name, child in self._children.items() if child.address}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all services; return when all are ready.

        Raises DianaError CONFIG_INVALID if the state is taken, MeshFailed if a service does not come up.
        """
        self._lock = StateLock(self.state)
        for path in (port_file(self.state, "any"), log_file(self.state, "any")):
            path.parent.mkdir(exist_ok=True)
        for spec in SERVICES:
            for other in (*spec.needs, *spec.calls):
                self._await(self._children[other], self._children[other].serves)
            self._children[spec.name].start(self.addresses)
        for child in self._children.values():
            self._await(child, child.serves)
            self._await(child, partial(_is_ready, child.spec, child.address))
        self._write()

    def supervise(self) -> None:
        """Keep the services up until `request_stop`. Raises MeshFailed when one keeps dying."""
        while not self._stop_requests:
            try:
                ended = self._events.get(timeout=self._until_due())
            except Empty:
                self._start_due()
                continue
            if ended is not None:
                self._plan_restart(ended)

    def request_stop(self) -> None:
        """End `supervise`; asked again, `stop` no longer waits. May be called from a signal handler."""
        self._stop_requests += 1
        self._events.put(None)

    def stop(self) -> None:
        """End all services and wait until they are gone. Nothing happens where none was started."""
        if self._lock is None:
            return
        forget_mesh(self.state)
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        while self._alive() and self._stop_requests < 2 and (left := deadline - time.monotonic()) > 0:
            try:
                self._events.get(timeout=left)
            except Empty:
                break
        for child in self._alive():
            self._report(f"{child.spec.name} did not end in time and was killed")
            child.kill()
        self._lock.release()
        self._lock = None

    def _alive(self) -> list[Child]:
        return [child for child in self._children.values() if child.pid and child.status is None]

    def _await(self, child: Child, condition: Callable[[], bool]) -> None:
        while not condition():
            if child.status is not None:
                raise _failed(child, f"ended with status {child.status} before it was ready")
            if child.age > START_SECONDS:
                raise _failed(child, f"was not ready after {START_SECONDS:.0f} seconds")
            if self._stop_requests:
                raise KeyboardInterrupt
            time.sleep(_POLL_SECONDS)

    def _until_due(self) -> float | None:
        return max(min(self._due.values()) - time.monotonic(), 0.0) if self._due else None

    def _plan_restart(self, child: Child) -> None:
        name = child.spec.name
        self._deaths[name] = 1 if child.served_for(SERVED_SECONDS) else self._deaths[name] + 1
        if self._deaths[name] > DEATHS_IN_A_ROW:
            raise _failed(child, f"died {self._deaths[name]} times in a row")
        self._report(f"{name} ended with status {child.status}; starting it again")
        self._due[name] = time.monotonic() + min(_FIRST_BACKOFF * 2 ** (self._deaths[name] - 1), _LONGEST_BACKOFF)

    def _start_due(self) -> None:
        for name, due in list(self._due.items()):
            if due <= time.monotonic():
                del self._due[name]
                self._children[name].start(self.addresses)
                self._write()

    def _write(self) -> None:
        services = {name: {"address": child.address, "pid": child.pid} for name, child in self._children.items()}
        started = datetime.now(UTC).isoformat(timespec="seconds")
        write_mesh(self.state, {"pid": os.getpid(), "written": started, "services": services})


def _is_ready(spec: ServiceSpec, address: str) -> bool:
    with connect(address, timeout=2.0) as channel:
        try:
            return HealthClient(channel).check(spec.contract) is Serving.SERVING
        except MeshError:
            return False


def _failed(child: Child, what: str) -> MeshFailed:
    return MeshFailed(f"{child.spec.name} {what}", child.last_words())
