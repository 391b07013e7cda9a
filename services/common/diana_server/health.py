"""Health as grpc.health.v1 has it: the empty name is liveness, a service's name is readiness."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from diana_common.errors import DianaError, Reason
from diana_server.logs import logger

_State = int  # of HealthCheckResponse.ServingStatus; the published types are incomplete
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health(health_pb2_grpc.HealthServicer):
    """Asks each service's own store, never its peers, whenever someone checks and every few seconds."""

    def __init__(self, service: str, poll_seconds: float = 5.0, grace_seconds: float = 30.0) -> None:
        """For `grace_seconds` peers may still be starting: that they are not there is no matter for the log yet."""
        self._log = logger(service)
        self._told: dict[str, str] = {}
        self._grace_end = time.monotonic() + grace_seconds
        self._ready: dict[str, Callable[[], None]] = {}
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._states: dict[str, _State] = {"": _SERVING}
        self._poller = threading.Thread(target=self._poll, name="health", daemon=True)

    def add(self, name: str, ready: Callable[[], None]) -> None:
        """Report `name` by `ready`, which raises when the service cannot answer."""
        self._ready[name] = ready
        self._ask(name)

    def start(self) -> None:
        """Begin to ask regularly, for those who watch."""
        self._poller.start()

    def stop(self) -> None:
        """Report NOT_SERVING from now on; those who watch are told so, and their streams end."""
        with self._changed:
            self._states = dict.fromkeys(self._states, _NOT_SERVING)
            self._stopped.set()
            self._changed.notify_all()

    def Check(  # the contract's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """The state at this moment."""
        if request.service in self._ready and not self._stopped.is_set():
            self._ask(request.service)
        state = self._states.get(request.service)
        if state is None:
            context.set_code(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=state)

    def Watch(  # the contract's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> Iterator[health_pb2.HealthCheckResponse]:
        """The state now and at every change, until the caller leaves or the server stops."""
        context.add_callback(self._wake)
        told: _State | None = None
        while (state := self._next_state(request.service, told, context)) is not None:
            yield health_pb2.HealthCheckResponse(status=state)
            told = state

    def _next_state(self, name: str, told: _State | None, context: grpc.ServicerContext) -> _State | None:
        """Waits for a state other than the one that was told; None where there will be none."""

        def state() -> _State:
            return self._states.get(name, _SERVICE_UNKNOWN)

        with self._changed:
            self._changed.wait_for(lambda: state() != told or self._stopped.is_set() or not context.is_active())
            return state() if state() != told and context.is_active() else None

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _set(self, name: str, state: _State) -> None:
        with self._changed:
            if not self._stopped.is_set() and self._states.get(name) != state:
                self._states[name] = state
                self._changed.notify_all()

    def _ask(self, name: str) -> None:
        try:
            self._ready[name]()
        except Exception as error:  # whatever keeps a store from answering, the service is not ready
            self._set(name, _NOT_SERVING)
            self._tell(name, error)
        else:
            self._set(name, _SERVING)
            self._told.pop(name, None)

    def _tell(self, name: str, error: Exception) -> None:
        """Once, and once more when it becomes serious."""
        level = "error"
        if isinstance(error, DianaError) and error.reason is Reason.PEER_UNAVAILABLE:
            level = "info" if time.monotonic() < self._grace_end else "warning"
        if self._told.get(name) != level:
            self._told[name] = level
            why = error.message if isinstance(error, DianaError) else type(error).__qualname__
            getattr(self._log, level)("not ready", contract=name, why=why)

    def _poll(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            for name in self._ready:
                self._ask(name)
