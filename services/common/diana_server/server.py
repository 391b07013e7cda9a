"""The server that every service runs in: it owns TLS, limits, health, reflection, metrics and graceful stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from diana_common.settings import config_invalid
from diana_common.traces import frames
from diana_server import logs, metrics
from diana_server.config import ServerConfig, TlsConfig, exit_on_refusal, split_address
from diana_server.health import Health
from diana_server.interceptor import PROBE_STREAMS, CallInterceptor
from diana_server.local_socket import SCHEME, bind_private
from diana_server.memory import settle_memory
from diana_server.reflection import Reflection

# Single health checks, and refusals, find a thread even when every place for calls and probes is taken.
_SPARE_THREADS = 16
_SIGNAL_SECONDS = 0.5
_WINDOW_BYTES = 1024 * 1024


class Server:
    """One process's gRPC server. Build it, `add` services, then `run` (or `start` and `stop`)."""

    def __init__(self, service: str, config: ServerConfig) -> None:
        logs.configure(config.log_level)
        self._log = logs.logger(service)
        self._config = config
        self._names: list[str] = [health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME]
        self._enders: list[Callable[[], None]] = []
        self._closers: list[Callable[[], None]] = []
        self._health = Health(service)
        self.stopping = threading.Event()
        """Set when a graceful stop begins: long streams end themselves then."""
        threads = config.max_concurrent_calls + PROBE_STREAMS + _SPARE_THREADS
        self._grpc = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="call"),
            interceptors=[CallInterceptor(service, config.max_concurrent_calls, config.max_message_bytes)],
            options=_options(config),
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)

    def add(
        self,
        descriptor: ServiceDescriptor,
        register: Callable[[Any, grpc.Server], None],
        servicer: object,
        ready: Callable[[], None],
    ) -> None:
        """Serve a contract: its descriptor, its generated `add_..._to_server`, its servicer.

        `ready` raises while the servicer's own store cannot answer.
        """
        register(servicer, self._grpc)
        self._names.append(descriptor.full_name)
        self._health.add(descriptor.full_name, ready)

    def on_stopping(self, end: Callable[[], None]) -> None:
        """Call `end` when a graceful stop begins, to end what waits; the first one added is called first."""
        self._enders.append(end)

    def on_stop(self, close: Callable[[], None]) -> None:
        """Call `close` once no call is served any more; the last one added is called first."""
        self._closers.append(close)

    def start(self) -> str:
        """Serve from now on; returns "host:port" or "unix:PATH".

        Raises DianaError CONFIG_INVALID if it cannot listen.
        """
        contracts = Reflection(self._names)
        contracts.register(self._grpc)
        self.on_stopping(contracts.stop)
        address = self._listen()
        if self._config.metrics_listen:
            self.on_stop(metrics.serve_metrics(*split_address(self._config.metrics_listen, "server.metrics_listen")))
        self._grpc.start()
        self._health.start()
        if self._config.port_file:
            _write_atomically(self._config.port_file, address)
        self._log.info("serving", address=address)
        return address

    def stop(self, grace: float | None = None) -> None:
        """Take no new call, finish those that were accepted, then close what was opened."""
        self.stopping.set()
        self._call_all(self._enders)
        self._health.stop()
        self._grpc.stop(self._config.grace_seconds if grace is None else grace).wait()
        self._close()
        self._log.info("stopped")

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then stop gracefully."""
        # Not an Event: its lock may be held by this very thread when a signal, or a second one, comes.
        told: SimpleQueue[int] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: told.put(number))
        try:
            self.start()
        except BaseException:
            self._close()
            raise
        # A wait without an end can miss a signal that comes just before it begins.
        signalled = None
        while signalled is None:
            with suppress(Empty):
                signalled = told.get(timeout=_SIGNAL_SECONDS)
        self._log.info("stopping")
        self.stop()

    def _close(self) -> None:
        closers, self._closers = self._closers[::-1], []
        self._call_all(closers)

    def _call_all(self, callbacks: Iterable[Callable[[], None]]) -> None:
        """Call each: one that fails must not keep the others from ending and closing what is theirs."""
        for callback in callbacks:
            try:
                callback()
            except Exception as error:
                self._log.error("not stopped well", error_type=type(error).__qualname__, frames=frames(error))

    def _listen(self) -> str:
        listen = self._config.listen
        if listen.startswith(SCHEME):
            self.on_stop(bind_private(Path(listen.removeprefix(SCHEME)), self._bind))
            return listen
        host, port = split_address(listen, "server.listen")
        port = self._bind(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        return f"{host}:{port}"

    def _bind(self, address: str) -> int:
        try:
            if self._config.tls:
                return self._grpc.add_secure_port(address, _credentials(self._config.tls))
            return self._grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise config_invalid("server.listen", f"cannot listen on {address}; is it in use?") from error


def run_service(service: str, build: Callable[[], Server]) -> None:
    """A service's `main`: build its server and run it until told to stop.

    A DianaError on the way ends the process with its message and remedy on standard error, and status 4.
    """
    settle_memory()
    with exit_on_refusal(service):
        build().run()


def _options(config: ServerConfig) -> list[tuple[str, int]]:
    return [
        # Messages up to four times the limit are read, so that the refusal is ours and typed.
        ("grpc.max_receive_message_length", 4 * config.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
        # Windows of a fixed size: those that grow with what the network seems to take let ten large uploads to a busy
        # server pile up 300 MB that nobody has read yet. Large frames make up for it.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _WINDOW_BYTES),
        ("grpc.http2.max_frame_size", _WINDOW_BYTES),
        # Clients may ping idle streams (followers) every 10 s without being cut off.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
    ]


def _credentials(tls: TlsConfig) -> grpc.ServerCredentials:
    def read(path: Path, setting: str) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise config_invalid(f"server.tls.{setting}", f"cannot be read ({error.strerror})") from error

    chain = [(read(tls.key_file, "key_file"), read(tls.cert_file, "cert_file"))]
    authorities = read(tls.client_ca_file, "client_ca_file") if tls.client_ca_file else None
    return grpc.ssl_server_credentials(chain, authorities, require_client_auth=authorities is not None)


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
