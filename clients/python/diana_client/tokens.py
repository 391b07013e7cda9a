"""Bearer tokens (RFC 6750): where they come from, and how each call shows one.

Over TLS gRPC itself puts them on. Over plain text they go to this host only: whoever can listen in on the loopback
can read the token's file too. gRPC knows no such exception, so interceptors stand in for it there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import grpc
import grpc.aio

from diana_client.errors import Unavailable

TokenSource = Callable[[], str]
"""Gives the token of one call. May raise OSError or UnicodeDecodeError."""


def is_loopback(target: str) -> bool:
    """Whether "host:port" or "unix:PATH" is on this host; a name other than localhost is not trusted to be."""
    if target.startswith("unix:"):
        return True
    host = target.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class TokenPlugin(grpc.AuthMetadataPlugin):
    """Puts `authorization: Bearer TOKEN` on each call over TLS."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def __call__(self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback) -> None:
        try:
            callback((_shown(self._source()),), None)
        except (OSError, UnicodeDecodeError) as error:
            callback((), error)


class _Details(NamedTuple):
    """What gRPC wants to know of a call that is passed on."""

    method: str
    timeout: float | None
    metadata: Sequence[tuple[str, str]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class PlainTokens(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Does the same for each call over plain text."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def _pass_on(self, continuation: Any, call: Any, request: Any) -> Any:
        metadata = [*(call.metadata or ()), _plain(self._source)]
        details = _Details(call.method, call.timeout, metadata, call.credentials, call.wait_for_ready, call.compression)
        return continuation(details, request)

    intercept_unary_unary: Any = _pass_on
    intercept_unary_stream: Any = _pass_on
    intercept_stream_unary: Any = _pass_on
    intercept_stream_stream: Any = _pass_on


class _AsyncPlainTokens:
    def __init__(self, source: TokenSource) -> None:
        self._source = source

    async def _pass_on(self, continuation: Any, call: Any, request: Any) -> Any:
        call.metadata.add(*_plain(self._source))
        return await continuation(call, request)


# asyncio's channel takes an interceptor for one kind of call only.
class _UnaryUnary(_AsyncPlainTokens, grpc.aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary: Any = _AsyncPlainTokens._pass_on


class _UnaryStream(_AsyncPlainTokens, grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream: Any = _AsyncPlainTokens._pass_on


class _StreamUnary(_AsyncPlainTokens, grpc.aio.StreamUnaryClientInterceptor):
    intercept_stream_unary: Any = _AsyncPlainTokens._pass_on


class _StreamStream(_AsyncPlainTokens, grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream: Any = _AsyncPlainTokens._pass_on


def async_plain_tokens(source: TokenSource) -> Sequence[grpc.aio.ClientInterceptor]:
    """`PlainTokens` for asyncio."""
    return [kind(source) for kind in (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)]


def _shown(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


def _plain(source: TokenSource) -> tuple[str, str]:
    try:
        return _shown(source())
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(grpc.StatusCode.UNAVAILABLE, f"The token cannot be read ({type(error).__name__}).") from error
