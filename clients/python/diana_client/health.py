"""Whether a service is up (grpc.health.v1), without needing that package's stubs."""

from __future__ import annotations

import asyncio
import time
from enum import IntEnum

import grpc
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from diana_client.channel import AsyncChannel, Channel
from diana_client.errors import DeadlineExceeded, MeshError, NotFound, Unavailable, translated

_CHECK = "/grpc.health.v1.Health/Check"
_PAUSE = 0.1  # seconds between two looks while waiting


class Serving(IntEnum):
    """How a service is, as grpc.health.v1.HealthCheckResponse.ServingStatus has it."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


# grpc.health.v1's request is one string in field 1 and its answer one enum in field 1: on the wire the
# same as these two wrappers. Borrowing them spares a dependency, and a clash with it where it is there.
class HealthClient:
    """Asks how a service is. The empty name is the process itself; "diana.archive.v1.ArchiveService" its readiness."""

    def __init__(self, channel: Channel) -> None:
        self._timeout = channel.timeout
        self._check: grpc.UnaryUnaryMultiCallable[StringValue, Int32Value] = channel.raw.unary_unary(
            _CHECK, StringValue.SerializeToString, Int32Value.FromString
        )

    def check(self, service: str = "") -> Serving:
        """How the service is now. Raises Unavailable when nothing answers."""
        try:
            with translated():
                return _serving(self._check(StringValue(value=service), timeout=self._timeout))
        except NotFound:
            return Serving.SERVICE_UNKNOWN

    def wait_ready(self, service: str = "", *, timeout: float) -> None:
        """Wait until the service is serving. Raises DeadlineExceeded after `timeout` seconds."""
        end = time.monotonic() + timeout
        while not self._is_ready(service, end):
            time.sleep(_PAUSE)

    def _is_ready(self, service: str, end: float) -> bool:
        left = _left(end)
        try:
            with translated():
                answer = self._check(StringValue(value=service), timeout=left, wait_for_ready=True)
        except MeshError as error:
            return _not_yet(error)
        return _serving(answer) == Serving.SERVING


class AsyncHealthClient:
    """As `HealthClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        self._timeout = channel.timeout
        self._check: grpc.aio.UnaryUnaryMultiCallable[StringValue, Int32Value] = channel.raw.unary_unary(
            _CHECK, StringValue.SerializeToString, Int32Value.FromString
        )

    async def check(self, service: str = "") -> Serving:
        """How the service is now. Raises Unavailable when nothing answers."""
        try:
            with translated():
                return _serving(await self._check(StringValue(value=service), timeout=self._timeout))
        except NotFound:
            return Serving.SERVICE_UNKNOWN

    async def wait_ready(self, service: str = "", *, timeout: float) -> None:
        """Wait until the service is serving. Raises DeadlineExceeded after `timeout` seconds."""
        end = time.monotonic() + timeout
        while not await self._is_ready(service, end):
            await asyncio.sleep(_PAUSE)

    async def _is_ready(self, service: str, end: float) -> bool:
        left = _left(end)
        try:
            with translated():
                answer = await self._check(StringValue(value=service), timeout=left, wait_for_ready=True)
        except MeshError as error:
            return _not_yet(error)
        return _serving(answer) == Serving.SERVING


def _serving(answer: Int32Value) -> Serving:
    try:
        return Serving(answer.value)
    except ValueError:
        return Serving.UNKNOWN


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded(grpc.StatusCode.DEADLINE_EXCEEDED, "The service did not become ready in time.")
    return left


def _not_yet(error: MeshError) -> bool:
    """False for a failure that time may heal; raises every other."""
    if isinstance(error, Unavailable | NotFound):
        return False
    raise error
