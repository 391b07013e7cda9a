"""The mesh's index of a store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from diana.index.v1.index_service_pb2 import Record
from diana_client import Channel, IndexClient
from diana_endpoints.items import Item
from diana_endpoints.mesh import MeshSettings, examine, open_channel
from diana_endpoints.protocol import Health, Query

CONTRACT = "diana.index.v1.IndexService"


@dataclass(frozen=True)
class IndexSettings(MeshSettings):
    """The index of a store."""

    store: str = ""
    """The store; "default" when empty."""


class Index:
    """Endpoint `index`. Questions raise MeshError when the index refuses them or cannot go on."""

    def __init__(self, settings: IndexSettings) -> None:
        self._settings = settings
        self._channel = open_channel(settings)
        self._client = IndexClient(self._channel)

    def close(self) -> None:
        """Drop the connection."""
        self._channel.close()

    def check(self) -> Health:
        """Whether it is ready, how many records it holds, and how far it lags."""
        return examine(self._settings, CONTRACT, self._describe)

    def find(self, query: Query) -> Iterator[Item]:
        """The records that match."""
        records = self._client.find(
            query.level,
            query.matches,
            return_keys=query.return_keys,
            order_by=query.order_by,
            store=self._settings.store,
            at_least_position=query.at_least_position,
        )
        for number, record in enumerate(records, 1):
            yield _item(record, number, self._settings.store)

    def count(self, query: Query) -> int:
        """How many records match."""
        return self._client.count(
            query.level, query.matches, store=self._settings.store, at_least_position=query.at_least_position
        )

    def _describe(self, channel: Channel) -> str:
        held = IndexClient(channel).status(store=self._settings.store)
        following = "following" if held.following else "not following"
        return (
            f"{held.study_count} studies, {held.instance_count} instances, "
            f"{following}, {held.entries_behind} entries behind"
        )


def _item(record: Record, number: int, store: str) -> Item:
    named = {
        "store": store,
        "study_uid": record.study_uid,
        "series_uid": record.series_uid,
        "sop_instance_uid": record.sop_instance_uid,
    }
    meta = {key: name for key, name in named.items() if name} | {"instances": record.instance_count}
    return Item(meta, json.loads(record.dicom_json or b"{}"), number=number)
