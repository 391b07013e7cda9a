"""The archive's feed and holdings, read through its client."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice

from diana_client import ArchiveClient, Channel, NotFound
from diana_common.conditions import Header
from diana_route.core.archive import StudySummary
from diana_route.core.feed import Told, Watch
from diana_route.core.model import InstanceItem
from diana_route.wire.feed import batch_from_proto
from diana_server.peers import PeerWatch, typed
from diana_server.times import seconds

_ARCHIVE = "archive"
_MOST_STORES = 100
_MARGIN_SECONDS = 0.001


class ArchivePeer:
    """core.feed.Feed and core.archive.Holdings over a connection. Safe to share between threads."""

    def __init__(self, channel: Channel) -> None:
        self._client = ArchiveClient(channel)

    def head(self) -> str:
        """See Feed."""
        with typed(_ARCHIVE):
            return self._client.statistics().head_position

    def stores(self) -> Collection[str]:
        """See Feed."""
        with typed(_ARCHIVE):
            return {store.name for store in self._client.stores()}

    def watch(
        self, after: str, stores: Sequence[str], headers: bool, to_head: bool = False, since: float | None = None
    ) -> Watch:
        """See Feed. Of more stores than the archive lets be named, all are followed."""
        named = stores if len(stores) <= _MOST_STORES else ()
        watch = self._client.watch_feed(
            after,
            after_time=None if since is None else datetime.fromtimestamp(since, UTC),
            stores=named,
            omit_headers=not headers,
            stop_at_head=to_head,
        )
        return PeerWatch(watch, batch_from_proto)

    def study(self, store: str, study_uid: str) -> StudySummary:
        """See Holdings."""
        with typed(_ARCHIVE, f"study {study_uid}"):
            found = self._client.study(study_uid, store=store)
        return StudySummary(found.complete, dict(found.attributes))

    def first_headers(self, store: str, study_uid: str) -> Iterator[Header]:
        """See Holdings."""
        with typed(_ARCHIVE, f"study {study_uid}"), suppress(NotFound):
            for series in self._client.series(study_uid, store=store):
                yield from self._first_header(store, study_uid, series.series_uid)

    def _first_header(self, store: str, study_uid: str, series_uid: str) -> Iterator[Header]:
        with suppress(NotFound):  # what is deleted meanwhile
            for one in islice(self._client.instances(study_uid, series_uid, store=store, page_size=1), 1):
                yield json.loads(self._client.header(one.sop_instance_uid, store=store).dicom_json)

    def instance(self, store: str, sop_instance_uid: str) -> tuple[str, Header]:
        """See Holdings."""
        with typed(_ARCHIVE, f"instance {sop_instance_uid}"):
            found = self._client.header(sop_instance_uid, store=store)
        return found.instance.study_uid, json.loads(found.dicom_json)

    def stored(self, store: str, sop_instance_uid: str) -> Told | None:
        """See Holdings. The entry has the time at which the instance was stored: it is looked for there only."""
        with typed(_ARCHIVE, f"instance {sop_instance_uid}"):
            at = seconds(self._client.header(sop_instance_uid, store=store).instance.store_time)
        watch = self.watch("", [store], headers=False, to_head=True, since=at - _MARGIN_SECONDS)
        try:
            for batch in watch:
                for told in batch.entries:
                    if told.time > at + _MARGIN_SECONDS:
                        return None
                    if isinstance(told.item, InstanceItem) and told.item.sop_instance_uid == sop_instance_uid:
                        return told
        finally:
            watch.cancel()
        return None
