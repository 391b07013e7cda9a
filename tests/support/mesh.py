"""A live mesh for tests: every service as a local process, on free ports and temporary state.

Which services there are and who needs whom is the table of `diana-cli up`. Processes are started in order of
dependency and waited for by their health service.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from diana_cli.mesh import table

SERVICES: Mapping[str, table.ServiceSpec] = {spec.name: spec for spec in table.SERVICES}
HEALTHY_WITHIN_SECONDS = 30.0


@dataclass
class Process:
    """One running service."""

    name: str
    state: Path
    environment: Mapping[str, str]
    address: str = ""
    popen: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start the process and wait until its contract is served."""
        spec = SERVICES[self.name]
        port_file = self.state / f"{self.name}.port"
        port_file.unlink(missing_ok=True)
        prefix = f"DIANA_{self.name.upper()}"
        listen = self.address or "127.0.0.1:0"
        own = spec.settings(self.state, listen) if spec.settings else {}
        environment = {
            **os.environ,
            f"{prefix}_STATE_DIR": str(self.state / self.name),
            f"{prefix}_SERVER__LISTEN": listen,
            f"{prefix}_SERVER__PORT_FILE": str(port_file),
            **{f"{prefix}_{setting}": value for setting, value in own.items()},
            **self.environment,
        }
        table.port_file(self.state, self.name).parent.mkdir(exist_ok=True)
        with (self.state / f"{self.name}.log").open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", spec.module], env=environment, stdout=log, stderr=log, cwd=self.state
            )
        self._await(spec.contract, port_file)

    def stop(self) -> int:
        """Stop gracefully; returns the exit status."""
        return self._signal(signal.SIGTERM)

    def kill(self) -> int:
        """Kill -9; returns the exit status."""
        return self._signal(signal.SIGKILL)

    def log(self) -> str:
        """What the process logged so far."""
        return (self.state / f"{self.name}.log").read_text(errors="replace")

    def _signal(self, number: int) -> int:
        if self.popen is None:
            return 0
        self.popen.send_signal(number)
        status = self.popen.wait(timeout=60)
        self.popen = None
        return status

    def _await(self, contract: str, port_file: Path) -> None:
        until = time.monotonic() + HEALTHY_WITHIN_SECONDS
        while time.monotonic() < until:
            if self.popen is not None and self.popen.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.popen.returncode}:\n{self.log()}")
            if port_file.exists():
                self.address = port_file.read_text()
                if serves(self.address, contract, until - time.monotonic()):
                    return
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} is not healthy:\n{self.log()}")


def health_stub(channel: grpc.Channel) -> Any:
    """The health service's stub; its published types are incomplete."""
    return health_pb2_grpc.HealthStub(channel)


def serves(address: str, contract: str, seconds: float) -> bool:
    """Whether the server at `address` reports `contract` as ready."""
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=contract)
        try:
            answer = health_stub(channel).Check(request, timeout=max(seconds, 0.1), wait_for_ready=True)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


class Mesh:
    """A context that starts the named services (all, unless told) and stops them at its end."""

    def __init__(self, state: Path, *names: str, settings: Mapping[str, str] | None = None) -> None:
        self._names = names or tuple(SERVICES)
        self._settings = dict(settings or {})
        self._state = state
        self.processes: dict[str, Process] = {}

    def __enter__(self) -> Mesh:
        self._state.mkdir(parents=True, exist_ok=True)
        try:
            for name in self._names:
                self._start(name)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for process in reversed(self.processes.values()):
            process.stop()

    @property
    def archive(self) -> str:
        """host:port of the archive."""
        return self.processes["archive"].address

    @property
    def index(self) -> str:
        """host:port of the index."""
        return self.processes["index"].address

    @property
    def guid(self) -> str:
        """host:port of the mint."""
        return self.processes["guid"].address

    @property
    def anon(self) -> str:
        """host:port of anon."""
        return self.processes["anon"].address

    @property
    def notify(self) -> str:
        """host:port of notify."""
        return self.processes["notify"].address

    @property
    def dimse(self) -> str:
        """host:port of the DICOM door's gRPC service."""
        return self.processes["dimse"].address

    @property
    def route(self) -> str:
        """host:port of the router."""
        return self.processes["route"].address

    @property
    def dicom(self) -> str:
        """host:port where the DICOM door takes associations."""
        return table.port_file(self._state, "dicom").read_text()

    def _start(self, name: str) -> None:
        if name in self.processes:
            return
        for needed in SERVICES[name].needs:
            self._start(needed)
        peers = SERVICES[name].peers({one: running.address for one, running in self.processes.items()})
        process = Process(name, self._state, {**peers, **self._settings})
        self.processes[name] = process
        process.start()
