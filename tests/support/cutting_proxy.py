"""A TCP proxy on the loopback that counts what clients send, and cuts connections when told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType

_PIECE = 1 << 16


class CuttingProxy:
    """Forwards to `target` ("host:port"), and cuts the connection at each of `cuts`, in bytes sent since it began.

    `hang` leaves the server's side of a cut open, as a dead network does. `on_cut` is called first, while nothing
    more is forwarded.
    """

    def __init__(
        self, target: str, cuts: Sequence[int] = (), hang: bool = False, on_cut: Callable[[], object] = lambda: None
    ) -> None:
        self.target = target
        self.sent = 0
        self._cuts = sorted(cuts)
        self._hang = hang
        self._on_cut = on_cut
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Shut down first: a close alone does not wake the thread that accepts.
        for one in (self._listener, *self._sockets):
            _close(one)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                self._sockets.append(client)
                with suppress(OSError):
                    host, _, port = self.target.rpartition(":")
                    server = socket.create_connection((host, int(port)))
                    self._sockets.append(server)
                    threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                    threading.Thread(target=_copy, args=(server, client), daemon=True).start()
                    continue
                _close(client)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(_PIECE):
                server.sendall(data)
                if self._is_cut(len(data)):
                    self._on_cut()
                    _close(client)
                    if self._hang:
                        return
        _close(client)
        _close(server)

    def _is_cut(self, count: int) -> bool:
        with self._lock:
            self.sent += count
            if self._cuts and self.sent >= self._cuts[0]:
                self._cuts.pop(0)
                return True
            return False


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_PIECE):
            sink.sendall(data)
    _close(sink)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
