"""The mesh's index of a store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

from diana.index.v1.index_service_pb2 import Group, GroupKey, Record
from diana_client import Channel, IndexClient
from diana_endpoints.cohorts import IndexedCohorts
from diana_endpoints.folders import IndexedFolders
from diana_endpoints.items import Item
from diana_endpoints.kind import Kind
from diana_endpoints.mesh import MeshSettings, examine
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.protocol.query import Query
from diana_endpoints.written import IndexedWritings

CONTRACT = "diana.index.v1.IndexService"


@dataclass(frozen=True)
class IndexSettings(MeshSettings):
    """The index of a store."""

    store: str = ""
    """The store; "default" when empty."""


class _Asked(TypedDict):
    """What every question has beside its level and matching keys."""

    where: str
    fuzzy_names: bool
    combined_date_times: bool
    store: str
    at_least_position: str


class Index(IndexedFolders, IndexedCohorts, IndexedWritings):
    """Endpoint `index`. Questions raise MeshError when the index refuses them or cannot go on."""

    def __init__(self, settings: IndexSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._store = settings.store
        self._client = IndexClient(self._channel)

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
            **self._asked(query),
        )
        for number, record in enumerate(records, 1):
            yield _item(record, number, query.store or self._store)

    def count(self, query: Query) -> int:
        """How many records match."""
        return self._client.count(query.level, query.matches, **self._asked(query))

    def aggregate(
        self, query: Query, by: Sequence[str], measures: Sequence[str], by_count: bool = False, limit: int = 0
    ) -> Iterator[Item]:
        """The groups of the records that match."""
        found = self._client.aggregate(
            query.level,
            query.matches,
            group_by=by,
            measures=measures,
            by_count=by_count,
            limit=limit,
            **self._asked(query),
        )
        for number, group in enumerate(found.groups, 1):
            yield _group_item(group, number, by, measures)

    def export(self, query: Query, file_format: str, to: BinaryIO | Path) -> None:
        """Write all records that match."""
        self._client.export(
            to,
            query.level,
            query.matches,
            file_format=file_format,
            columns=query.return_keys,
            order_by=query.order_by,
            **self._asked(query),
        )

    def _asked(self, query: Query) -> _Asked:
        return {
            "where": query.where,
            "fuzzy_names": query.fuzzy_names,
            "combined_date_times": query.combined_date_times,
            "store": query.store or self._store,
            "at_least_position": query.at_least_position,
        }

    def _describe(self, channel: Channel) -> str:
        held = IndexClient(channel).status(store=self._store)
        following = "following" if held.following else "not following"
        return (
            f"{held.study_count} studies, {held.instance_count} instances, "
            f"{following}, {held.entries_behind} entries behind"
        )


def _group_item(group: Group, number: int, by: Sequence[str], measures: Sequence[str]) -> Item:
    meta: dict[str, Any] = {name: _key(key) for name, key in zip(by, group.keys, strict=True)}
    meta["count"] = group.count
    for name, measured in zip(measures, group.measurements, strict=True):
        meta[name] = _whole(measured.value) if measured.HasField("value") else None
    return Item(meta, number=number)


def _key(key: GroupKey) -> Any:
    """None of a group without a value."""
    return _whole(key.number) if key.HasField("number") else key.text if key.HasField("text") else None


def _whole(number: float) -> float | int:
    return int(number) if number.is_integer() else number


def _item(record: Record, number: int, store: str) -> Item:
    named = {
        "store": store,
        "study_uid": record.study_uid,
        "series_uid": record.series_uid,
        "sop_instance_uid": record.sop_instance_uid,
    }
    meta = {key: name for key, name in named.items() if name} | {"instances": record.instance_count}
    return Item(meta, json.loads(record.dicom_json or b"{}"), number=number)


KIND = Kind(IndexSettings, Index, setting="store", mesh=True)
