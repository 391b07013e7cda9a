"""A web server that takes webhooks."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Posted:
    """One POST."""

    path: str
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """Its body, read."""
        return json.loads(self.body)


class Hooks:
    """Takes POSTs, keeps them, and answers with a status, headers and a body; a context."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.status = 204
        self.headers: Mapping[str, str] = {}
        self.answer = b""
        self.requests: list[Posted] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def posts(self) -> list[tuple[str, str, dict[str, str]]]:
        """Each one's path with its query, idempotency key, and body."""
        return [(one.path, one.headers["Idempotency-Key"], one.json) for one in self.requests]

    @property
    def port(self) -> int:
        """Where it listens, on the loopback."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The same, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Hooks:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hooks.requests.append(Posted(self.path, self.headers, body))
                self.send_response(hooks.status)
                for name, value in {"Location": f"{hooks.url}/elsewhere", **hooks.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(hooks.answer)

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

        return Handler
