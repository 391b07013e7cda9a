"""A web server that takes webhooks."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class Hooks:
    """Takes POSTs, keeps them, and answers with a status; a context."""

    def __init__(self) -> None:
        self.status = 204
        self.posts: list[tuple[str, str, dict[str, str]]] = []
        """Each one's path with its query, idempotency key, and body."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

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
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hooks.posts.append((self.path, self.headers["Idempotency-Key"], body))
                self.send_response(hooks.status)
                self.send_header("Location", f"{hooks.url}/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

        return Handler
