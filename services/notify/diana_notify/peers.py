"""The archive, reached through its client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from diana_client import (
    ArchiveClient,
    Cancelled,
    DeadlineExceeded,
    FeedWatch,
    MeshError,
    TlsOptions,
    Unavailable,
    connect,
)
from diana_common.errors import DianaError, Reason
from diana_notify.core.following import FeedBatch, Watch
from diana_notify.wire import batch_from_proto


class ArchivePeer:
    """The core's `Archive` over a connection. Close it once nothing follows any more."""

    def __init__(self, address: str, tls: TlsOptions | None, token_file: Path | None) -> None:
        """Raises DianaError CONFIG_INVALID for files that cannot be read."""
        try:
            self._channel = connect(address, tls=tls, token_file=token_file)
        except MeshError as error:
            raise DianaError(Reason.CONFIG_INVALID, f"archive: {error.message}") from None
        self._client = ArchiveClient(self._channel)

    def close(self) -> None:
        """Drop the connection."""
        self._channel.close()

    def head(self) -> str:
        """See core.following.Archive."""
        with _typed():
            return self._client.statistics().head_position

    def watch(self, after: str, stores: Sequence[str]) -> Watch:
        """See core.following.Archive."""
        return _PeerWatch(self._client.watch_feed(after, stores=stores, omit_headers=True))


def tls_options(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> TlsOptions | None:
    """How to reach an archive over TLS; plain text without a `ca_file`."""
    return TlsOptions(ca_file=ca_file, cert_file=cert_file, key_file=key_file) if ca_file else None


class _PeerWatch:
    def __init__(self, watch: FeedWatch) -> None:
        self._watch = watch

    def __iter__(self) -> Iterator[FeedBatch]:
        with _typed():
            for message in self._watch:
                yield batch_from_proto(message)

    def cancel(self) -> None:
        self._watch.cancel()


@contextmanager
def _typed() -> Iterator[None]:
    """Turn the client's errors into the core's. Their messages may tell of the archive, so that none is kept."""
    try:
        yield
    except MeshError as error:
        raise DianaError(_reason(error), f"The archive answered {error.code.name}.") from error


def _reason(error: MeshError) -> Reason:
    if isinstance(error, Unavailable | DeadlineExceeded | Cancelled) or error.reason == Reason.OVERLOADED.name:
        return Reason.PEER_UNAVAILABLE
    return Reason.__members__.get(error.reason, Reason.INTERNAL)
