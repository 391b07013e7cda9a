"""The archive, reached through its client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from diana_client import ArchiveClient, Channel
from diana_common.errors import DianaError, Reason
from diana_common.following import Watch
from diana_notify.core.following import FeedBatch
from diana_notify.core.model import StudyRef
from diana_notify.wire import batch_from_proto, facts_of
from diana_server.peers import PeerWatch, typed


class ArchivePeer:
    """diana_common.following.Feed and core.studies.Studies over a connection. Close it once nothing follows any."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._client = ArchiveClient(channel)

    def close(self) -> None:
        """Drop the connection."""
        self._channel.close()

    def head(self) -> str:
        """See diana_common.following.Feed."""
        with typed("archive"):
            return self._client.statistics().head_position

    def watch(self, after: str, stores: Sequence[str]) -> Watch[FeedBatch]:
        """See diana_common.following.Feed."""
        return PeerWatch(self._client.watch_feed(after, stores=stores, omit_headers=True), batch_from_proto)

    def facts(self, study: StudyRef) -> Mapping[str, object]:
        """See core.studies.Studies. A study whose instances are all deleted has no header."""
        with typed("archive", "to tell of the study"):
            summary = self._client.study(study.study_uid, store=study.store)
            instances = self._client.instances(study.study_uid, store=study.store, page_size=1)
            uid = next((one.sop_instance_uid for one in instances), "")
            header = self._client.header(uid, store=study.store).dicom_json if uid else b"{}"
        try:
            return facts_of(summary, header)
        except (ValueError, TypeError, AttributeError):
            raise DianaError(Reason.INTERNAL, "The archive told of a header that cannot be read.") from None
