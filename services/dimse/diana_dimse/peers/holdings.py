"""The archive, as far as it counts the instances of studies, reached through its client."""

from __future__ import annotations

from diana.archive.v1.feed_pb2 import Evidence, SourceCount
from diana_client import ArchiveClient, Channel, NotFound
from diana_common.errors import Reason
from diana_dimse.core.intake.receiving import Origin
from diana_dimse.peers.intake import origin_message
from diana_server.peers import typed


class ArchiveHoldings:
    """The core's `Holdings` over a connection."""

    def __init__(self, channel: Channel) -> None:
        self._client = ArchiveClient(channel)

    def count(self, store: str, study_uid: str) -> int:
        """How many instances of a study a store holds; 0 where it has none."""
        with typed("archive"):
            try:
                return self._client.study(study_uid, store=store).instance_count
            except NotFound as error:
                if error.reason != Reason.STUDY_NOT_FOUND.name:
                    raise
                return 0

    def source_has(self, origin: Origin, study_uid: str, instance_count: int) -> None:
        """The source says that a study has so many instances."""
        count = SourceCount(instance_count=instance_count)
        with typed("archive"):
            self._client.record_evidence(
                study_uid, Evidence(source_count=count), store=origin.store, origin=origin_message(origin)
            )
