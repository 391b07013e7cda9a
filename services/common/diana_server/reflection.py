"""Reflection, whose streams end with the server: a client may leave one open for as long as it likes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc


class Reflection(reflection_pb2_grpc.ServerReflectionServicer):
    """Tells the contracts that a server has."""

    def __init__(self, names: list[str]) -> None:
        self._contracts = reflection.ReflectionServicer(names)
        self._lock = threading.Lock()
        self._stopped = False
        self._open: set[grpc.ServicerContext] = set()

    def register(self, server: grpc.Server) -> None:
        """Serve it."""
        add: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server  # published without types
        add(self, server)

    def ServerReflectionInfo(self, request_iterator: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """Answers each question of a stream."""
        with self._lock:
            if self._stopped:
                return
            self._open.add(context)
        try:
            yield from self._contracts.ServerReflectionInfo(request_iterator, context)
        finally:
            with self._lock:
                self._open.discard(context)

    def stop(self) -> None:
        """End every stream."""
        with self._lock:
            self._stopped = True
            streams = list(self._open)
        for context in streams:
            context.cancel()
