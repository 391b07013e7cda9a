"""An HTTP server on the loopback that answers as a test says."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """Their names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """An answer. A body in pieces is sent without saying how long it is, and the connection closed."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, parse_qs(parts.query), headers, self._body(headers))
        told: Told = self.server.answer(asked)  # type: ignore[attr-defined]
        self.send_response(told.status)
        for name, value in told.headers.items():
            self.send_header(name, value)
        whole = isinstance(told.body, bytes)
        if isinstance(told.body, bytes):
            self.send_header("Content-Length", str(len(told.body)))
        self.end_headers()
        try:
            for piece in [told.body] if isinstance(told.body, bytes) else told.body:
                self.wfile.write(piece)
        except OSError:
            whole = False  # whoever asked has heard enough
        self.close_connection = self.close_connection or not whole

    do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - names of the base class

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        """Nothing: tests look at what was asked."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Callable[[Asked], Told]

    def handle_error(self, *_: object) -> None:
        """Nothing: clients that hang up are among what is tested."""


@contextmanager
def serving(answer: Callable[[Asked], Told], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Its URL, while it answers."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.answer = answer
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
