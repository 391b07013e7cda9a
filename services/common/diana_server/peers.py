"""Other services of the mesh, reached through their clients: what the `peers` rooms of all services share.

The one module of diana_server that holds the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from diana.archive.v1.archive_service_pb2 import WatchFeedResponse
from diana_client import Cancelled, Channel, DeadlineExceeded, FeedWatch, MeshError, TlsOptions, Unavailable, connect
from diana_common.errors import DianaError, FieldViolation, Reason
from diana_server.config import PeerConfig

Batch = TypeVar("Batch")

_TOKEN_REFUSED = (Reason.CALLER_UNKNOWN.name, Reason.CALLER_NOT_PERMITTED.name)


def reach(setting: str, peer: PeerConfig, *, stream_window: int = 0) -> Channel:
    """A connection, made when it is first needed, to the service that a setting ("archive") describes.

    `stream_window` bounds what of each stream waits to be read, in bytes; 0 leaves that to the network. Raises
    DianaError CONFIG_INVALID for files that cannot be read, and for options that clash.
    """
    tls = TlsOptions(ca_file=peer.ca_file, cert_file=peer.cert_file, key_file=peer.key_file) if peer.ca_file else None
    try:
        return connect(peer.address, tls=tls, token_file=peer.token_file, stream_window=stream_window)
    except MeshError as error:
        raise DianaError(Reason.CONFIG_INVALID, f"{setting}: {error.message}") from None


@contextmanager
def typed(peer: str, what: str = "it") -> Iterator[None]:
    """Turn the client's errors into the core's; `peer` ("archive") and `what` it was asked for are named."""
    try:
        yield
    except MeshError as error:
        raise core_error(peer, error, what) from error


def core_error(peer: str, error: MeshError, what: str = "it") -> DianaError:
    """The core's error. A message that may tell of a peer's own affairs is not kept; what it says of a field is."""
    if error.reason in _TOKEN_REFUSED:
        setting = f"{peer.partition(' ')[0]}.token_file"
        return DianaError(Reason.CONFIG_INVALID, f"{setting}: the {peer} does not take the token that it is shown.")
    if isinstance(error, Unavailable | DeadlineExceeded | Cancelled) or error.reason == Reason.OVERLOADED.name:
        return DianaError(Reason.PEER_UNAVAILABLE, f"The {peer} does not answer.")
    reason = Reason.__members__.get(error.reason, Reason.INTERNAL)
    fields = [FieldViolation(path, description) for path, description in error.fields]
    text = "; ".join(f"{one.field}: {one.description}" for one in fields)
    return DianaError(reason, text or f"The {peer} refused {what}.", fields=fields)


class PeerWatch(Generic[Batch]):
    """The archive's feed, followed; each answer in the core's own words."""

    def __init__(self, watch: FeedWatch, batch_of: Callable[[WatchFeedResponse], Batch]) -> None:
        self._watch = watch
        self._batch_of = batch_of

    def __iter__(self) -> Iterator[Batch]:
        with typed("archive"):
            for message in self._watch:
                yield self._batch_of(message)

    def cancel(self) -> None:
        """End it, from any thread."""
        self._watch.cancel()
