"""The archive, reached through its client."""

from __future__ import annotations

from diana_client import ArchiveClient, Channel, NotFound
from diana_common.errors import DianaError, Reason
from diana_index.core.feed import HeldHeader, Watch
from diana_index.wire import batch_from_proto, held_from_proto
from diana_server.peers import PeerWatch, typed


class ArchivePeer:
    """The core's `Archive` over a connection. Close it once nothing follows any more."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._client = ArchiveClient(channel)

    def close(self) -> None:
        """Drop the connection."""
        self._channel.close()

    def watch(self, after: str, stop_at_head: bool = False) -> Watch:
        """Follow the feed of all stores."""
        return PeerWatch(self._client.watch_feed(after, stop_at_head=stop_at_head), batch_from_proto)

    def header(self, store: str, sop_uid: str, version: str) -> HeldHeader:
        """One instance's header. Raises DianaError INSTANCE_NOT_FOUND, PEER_UNAVAILABLE, INTERNAL."""
        with typed("archive"):
            try:
                return held_from_proto(self._client.header(sop_uid, store=store, version=version))
            except NotFound as error:  # the store may be gone too
                raise DianaError(Reason.INSTANCE_NOT_FOUND, "The archive does not have it.") from error
