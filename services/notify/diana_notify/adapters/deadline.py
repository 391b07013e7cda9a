"""A limit on a whole exchange: a socket's own timeout begins anew with every byte that comes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def deadline(seconds: float, current: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Shut the socket that `current` returns when the time is over, so that whoever waits for it gets an error."""

    def end() -> None:
        if (one := current()) is not None:
            with suppress(OSError):
                # Past TLS: the class's own method would change the object under the thread that reads.
                socket.socket.shutdown(one, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
