"""Health as grpc.health.v1 has it: the empty name is liveness, a service's name is readiness."""

from __future__ import annotations

import threading
from collections.abc import Callable

import grpc
from grpc_health.v1 import health, health_pb2

from diana_common.errors import DianaError
from diana_server.logs import logger

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health(health.HealthServicer):
    """Asks each service's own store, never its peers, whenever someone checks and every few seconds."""

    def __init__(self, service: str, poll_seconds: float = 5.0) -> None:
        super().__init__()
        self._log = logger(service)
        self._broken: set[str] = set()
        self._ready: dict[str, Callable[[], None]] = {}
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="health", daemon=True)

    def add(self, name: str, ready: Callable[[], None]) -> None:
        """Report `name` by `ready`, which raises when the service cannot answer."""
        self._ready[name] = ready
        self._ask(name)

    def start(self) -> None:
        """Begin to ask regularly, for those who watch."""
        self._poller.start()

    def stop(self) -> None:
        """Report NOT_SERVING from now on."""
        self._stopped.set()
        self.enter_graceful_shutdown()

    def Check(  # the contract's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """The state at this moment."""
        if request.service in self._ready and not self._stopped.is_set():
            self._ask(request.service)
        response: health_pb2.HealthCheckResponse = super().Check(request, context)
        return response

    def _ask(self, name: str) -> None:
        try:
            self._ready[name]()
        except Exception as error:  # whatever keeps a store from answering, the service is not ready
            self.set(name, _NOT_SERVING)
            if name not in self._broken:
                why = error.message if isinstance(error, DianaError) else type(error).__qualname__
                self._log.error("not ready", contract=name, why=why)
            self._broken.add(name)
        else:
            self.set(name, _SERVING)
            self._broken.discard(name)

    def _poll(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            for name in self._ready:
                self._ask(name)
