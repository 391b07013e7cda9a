"""A process that decodes, encodes and reads pixels for the service, which outlives it: `-m ... DESCRIPTOR MEMORY`.

Codestreams are hostile and the libraries are C, so that this process may crash; it may take no more memory than it is
told. It answers one request after the other on a connection it inherits: a head in JSON and bytes, both ways. It ends
when the other end is closed.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from diana_anon.core.pixels.model import Shape, Window

Answer = tuple[dict[str, Any], bytes]


class _Worker:
    def __init__(self) -> None:
        self._reader: Any = None

    def decode(self, head: dict[str, Any], data: bytes) -> Answer:
        from diana_anon.adapters.codecs import decode

        samples, shape = decode(data, head["syntax"], Shape(**head["shape"]))
        return {"shape": asdict(shape)}, samples

    def encode(self, head: dict[str, Any], data: bytes) -> Answer:
        from diana_anon.adapters.codecs import encode

        return {}, encode(data, head["syntax"], Shape(**head["shape"]))

    def read(self, head: dict[str, Any], data: bytes) -> Answer:
        if self._reader is None:
            from diana_anon.adapters.text import Reader

            self._reader = Reader()
        palette = tuple((first, bytes.fromhex(entries)) for first, entries in head["window"]["palette"])
        window = Window(**{**head["window"], "palette": palette})
        found = self._reader.read(data, Shape(**head["shape"]), window)
        return {"findings": [asdict(one) for one in found]}, b""


def serve(connection: Connection) -> None:
    """Answer until the connection is closed. What cannot be done is `error`: "missing" or "unreadable"."""
    worker = _Worker()
    work: dict[str, Callable[[dict[str, Any], bytes], Answer]] = {
        "decode": worker.decode,
        "encode": worker.encode,
        "read": worker.read,
    }
    while True:
        try:
            head, data = json.loads(connection.recv_bytes()), connection.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            answer, result = work[head["do"]](head, data)
        except ImportError:
            answer, result = {"error": "missing"}, b""
        except Exception:  # whatever a library makes of hostile bytes, down to MemoryError
            answer, result = {"error": "unreadable"}, b""
        connection.send_bytes(json.dumps(answer).encode())
        connection.send_bytes(result)


if __name__ == "__main__":
    logging.disable()
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(Connection(int(sys.argv[1])))
