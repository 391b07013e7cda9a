"""Connections to a mesh service: retry policy, keepalive, deadlines, TLS and token, said once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import grpc.aio
import grpc.experimental

from diana_client.errors import InvalidRequest
from diana_client.tokens import PlainTokens, TokenPlugin, TokenSource, async_plain_tokens, is_loopback

DEFAULT_TIMEOUT = 30.0
"""Seconds a call that answers once may take, unless the caller says otherwise. Streams have no limit."""

_ARCHIVE = "diana.archive.v1.ArchiveService"
_SERVICES = (
    _ARCHIVE,
    "diana.index.v1.IndexService",
    "diana.index.v1.FolderService",
    "diana.guid.v1.GuidService",
    "diana.guid.v1.KeyService",
    "diana.anon.v1.AnonService",
    "diana.anon.v1.CrosswalkService",
    "diana.anon.v1.ReceiptService",
    "diana.notify.v1.NotifyService",
    "diana.route.v1.CollectService",
    "diana.route.v1.RouteService",
    "diana.operation.v1.OperationService",
    "grpc.health.v1.Health",
)

# Not repeated: each question to the crosswalk is logged; an upload and the feed go on by themselves where they were;
# and a stream that gRPC is to repeat can hang for ever when its server is killed while it is read (grpcio 1.85).
_ONCE = (
    (_ARCHIVE, "UploadInstances"),
    (_ARCHIVE, "AdoptInstances"),
    (_ARCHIVE, "WatchFeed"),
    (_ARCHIVE, "DownloadInstances"),
    (_ARCHIVE, "ReadInstance"),
    ("diana.anon.v1.AnonService", "AnonymizeInstance"),
    ("diana.anon.v1.ReceiptService", "WriteReport"),
    ("diana.anon.v1.CrosswalkService", "Reidentify"),
    ("diana.dimse.v1.DimseService", "EchoPeer"),
    ("diana.dimse.v1.DimseService", "FindAtPeer"),
    ("diana.guid.v1.GuidService", "MintIdentities"),
    ("diana.index.v1.FolderService", "ReadFiles"),
    ("diana.notify.v1.NotifyService", "WatchDeliveries"),
    ("diana.route.v1.CollectService", "ListSourceStudies"),
    ("diana.route.v1.RouteService", "DryRun"),
    ("diana.route.v1.RouteService", "WatchJobs"),
)

# Every other RPC of the mesh is idempotent by contract, some with the request_id that our clients make up. The entry
# for a method wins over its service's.
_SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{"service": service} for service in _SERVICES],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "3s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            },
            {"name": [{"service": service, "method": method} for service, method in _ONCE]},
        ]
    }
)

Option = tuple[str, str | int]


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How to trust the server and, for mutual TLS, who to be. PEM files."""

    ca_file: Path | None = None
    """The certificates to trust. None: those of the system."""

    cert_file: Path | None = None
    """This client's certificate chain. Needs `key_file`."""

    key_file: Path | None = None
    """This client's private key. Needs `cert_file`."""

    server_name: str = ""
    """The name to expect in the server's certificate, where it is not that of the target."""


@dataclass(frozen=True, slots=True)
class _Settings:
    """What `connect` and `connect_async` have in common, worked out."""

    credentials: grpc.ChannelCredentials | None
    options: list[Option]
    plain_token: TokenSource | None = None

    def channel(self, target: str) -> grpc.Channel:
        """A channel of the synchronous kind."""
        if self.credentials is None:
            plain = grpc.insecure_channel(target, self.options)
            return plain if self.plain_token is None else grpc.intercept_channel(plain, PlainTokens(self.plain_token))
        return grpc.secure_channel(target, self.credentials, self.options)

    def async_channel(self, target: str) -> grpc.aio.Channel:
        """A channel of the asyncio kind."""
        if self.credentials is None:
            tokens = None if self.plain_token is None else async_plain_tokens(self.plain_token)
            return grpc.aio.insecure_channel(target, self.options, interceptors=tokens)
        return grpc.aio.secure_channel(target, self.credentials, self.options)


class Channel:
    """A connection to one service, shared by any number of clients and threads. Close it, or use `with`."""

    def __init__(self, raw: grpc.Channel, timeout: float | None) -> None:
        self.raw = raw
        self.timeout = timeout

    def close(self) -> None:
        """Drop the connection; calls under way end as `Cancelled`."""
        self.raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncChannel:
    """The same for asyncio: create and use it in one event loop. Close it, or use `async with`."""

    def __init__(
        self, raw: grpc.aio.Channel, timeout: float | None, connect_blocking: Callable[[], grpc.Channel]
    ) -> None:
        self.raw = raw
        self.timeout = timeout
        self._connect_blocking = connect_blocking
        self._blocking: grpc.Channel | None = None

    @property
    def blocking(self) -> grpc.Channel:
        """A channel of the synchronous kind to the same service; uploads go over it."""
        if self._blocking is None:
            self._blocking = self._connect_blocking()
        return self._blocking

    async def close(self) -> None:
        """Drop the connection; calls under way end as `Cancelled`."""
        if self._blocking is not None:
            self._blocking.close()
        await self.raw.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def connect(
    target: str,
    *,
    tls: TlsOptions | None = None,
    token: str | None = None,
    token_file: Path | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    keepalive: float = 30.0,
    max_message_bytes: int = 4 << 20,
    stream_window: int = 0,
) -> Channel:
    """Connect to a service at "host:port". The connection is made when it is first needed.

    `timeout` is the seconds each call that answers once may take; None for ever. `keepalive` is the
    seconds after which a silent connection is probed. `stream_window` bounds what of each stream waits to be read, in
    bytes, and costs a fifth less CPU, but no signal interrupts who waits for such a stream: it is for servers. 0 leaves
    the window to the network, which may hold 16 MiB of each stream. A token goes over TLS, and over plain text to
    this very host only; a token file is read again for each call, so that it may be renewed. Raises
    InvalidRequest for options that clash or files that cannot be read.
    """
    settings = _settings(target, tls, token, token_file, keepalive, max_message_bytes)
    options = [*settings.options, *_stream_options(stream_window)]
    return Channel(replace(settings, options=options).channel(target), timeout)


def connect_async(
    target: str,
    *,
    tls: TlsOptions | None = None,
    token: str | None = None,
    token_file: Path | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    keepalive: float = 30.0,
    max_message_bytes: int = 4 << 20,
) -> AsyncChannel:
    """As `connect`, for asyncio. Call it inside the event loop that will use it."""
    settings = _settings(target, tls, token, token_file, keepalive, max_message_bytes)
    return AsyncChannel(settings.async_channel(target), timeout, lambda: settings.channel(target))


def _settings(
    target: str,
    tls: TlsOptions | None,
    token: str | None,
    token_file: Path | None,
    keepalive: float,
    max_message_bytes: int,
) -> _Settings:
    options: list[Option] = [
        ("grpc.service_config", _SERVICE_CONFIG),
        ("grpc.keepalive_time_ms", round(keepalive * 1000)),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.max_pings_without_data", 0),  # a follower's stream is idle for hours, and still probed
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 3_000),
    ]
    if tls is None:
        return _plain_settings(target, _token_source(token, token_file), options)
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return _Settings(_credentials(tls, token, token_file), options)


def _stream_options(window: int) -> list[Option]:
    if not window:
        return []
    return [
        ("grpc.http2.lookahead_bytes", window),
        ("grpc.http2.bdp_probe", 0),
        # Whoever iterates over answers reads them from the network, and not another thread: a fifth less CPU.
        (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
    ]


def _plain_settings(target: str, source: TokenSource | None, options: list[Option]) -> _Settings:
    if source is None:
        return _Settings(None, options)
    if not is_loopback(target):
        raise _option_error("token", "a token is sent over TLS only, but to this host: give tls too")
    # A proxy that the environment names would get to see the token.
    return _Settings(None, [*options, ("grpc.enable_http_proxy", 0)], source)


def _credentials(tls: TlsOptions, token: str | None, token_file: Path | None) -> grpc.ChannelCredentials:
    if (tls.cert_file is None) != (tls.key_file is None):
        raise _option_error("tls", "cert_file and key_file go together")
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read("tls.ca_file", tls.ca_file),
        private_key=_read("tls.key_file", tls.key_file),
        certificate_chain=_read("tls.cert_file", tls.cert_file),
    )
    source = _token_source(token, token_file)
    if source is None:
        return credentials
    return grpc.composite_channel_credentials(credentials, grpc.metadata_call_credentials(TokenPlugin(source)))


def _token_source(token: str | None, token_file: Path | None) -> TokenSource | None:
    """Where each call's token comes from."""
    if token is not None and token_file is not None:
        raise _option_error("token", "give token or token_file, not both")
    if token is not None:
        return lambda: token
    if token_file is None:
        return None
    _read("token_file", token_file)
    return lambda: token_file.read_text("utf-8").strip()


def _read(name: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise _option_error(name, f"the file cannot be read ({type(error).__name__})") from error


def _option_error(name: str, description: str) -> InvalidRequest:
    return InvalidRequest(
        grpc.StatusCode.INVALID_ARGUMENT, f"{name}: {description}", reason="INVALID_FIELD", fields=[(name, description)]
    )
