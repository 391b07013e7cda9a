"""The archive, reached through its client."""

from __future__ import annotations

from collections.abc import Sequence

from diana_client import ArchiveClient, Channel
from diana_notify.core.following import Watch
from diana_notify.wire import batch_from_proto
from diana_server.peers import PeerWatch, typed


class ArchivePeer:
    """The core's `Archive` over a connection. Close it once nothing follows any more."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._client = ArchiveClient(channel)

    def close(self) -> None:
        """Drop the connection."""
        self._channel.close()

    def head(self) -> str:
        """See core.following.Archive."""
        with typed("archive"):
            return self._client.statistics().head_position

    def watch(self, after: str, stores: Sequence[str]) -> Watch:
        """See core.following.Archive."""
        return PeerWatch(self._client.watch_feed(after, stores=stores, omit_headers=True), batch_from_proto)
