"""A store of the mesh's archive."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.feed_pb2 import CompletionReason, FeedEntry
from diana.archive.v1.resources_pb2 import Instance
from diana_client import ArchiveClient, Channel, MeshError, NotFound, OperationClient, UploadItem, UploadResult
from diana_common.errors import DianaError, invalid_field
from diana_endpoints.archive_attributes import KeptAttributes
from diana_endpoints.archive_work import await_work
from diana_endpoints.failures import failure_of
from diana_endpoints.headers import fill_header
from diana_endpoints.items import BytesContent, Content, Item
from diana_endpoints.kind import Kind
from diana_endpoints.levels import INSTANCE, STUDY, UIDS, level_of
from diana_endpoints.mesh import MeshSettings, examine
from diana_endpoints.pieces import PiecesContent, upload_source
from diana_endpoints.protocol.endpoint import Health, OnProgress

CONTRACT = "diana.archive.v1.ArchiveService"
_SMALL = 4 * 1024 * 1024
"""Instances up to this size come together in one stream and are held one at a time; larger ones are opened apart."""
_TOGETHER = 500
_STREAMS = 4
_OUTCOMES = {
    pb.UploadResult.OUTCOME_STORED: "stored",
    pb.UploadResult.OUTCOME_ALREADY_STORED: "already_stored",
    pb.UploadResult.OUTCOME_STORED_AS_CURRENT: "stored_as_current",
}


@dataclass(frozen=True)
class ArchiveSettings(MeshSettings):
    """A store of an archive."""

    store: str = ""
    """The store; the archive's "default" when empty."""


class Archive(KeptAttributes):
    """Endpoint `archive`. Every method but `check` raises MeshError when the archive cannot go on."""

    def __init__(self, settings: ArchiveSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._store = settings.store
        self._client = ArchiveClient(self._channel)
        self._operations = OperationClient(self._channel)
        self.passed_over: Counter[str] = Counter()

    def check(self) -> Health:
        """Whether it is ready, and what the store holds."""
        return examine(self._settings, CONTRACT, self._describe)

    def list(self) -> Iterator[Item]:
        """Every current instance of the store, study by study."""
        number = 0
        for study in self._client.studies(store=self._store):
            for item in self._contents(self._client.instances(study.study_uid, store=self._store)):
                number += 1
                item.number = number
                yield item

    def get(self, wanted: Item) -> Iterator[Item]:
        """The current instances of the study, series or instance that `wanted.meta` names."""
        study, series, sop = self._named(wanted)
        if sop:
            yield from self._one(sop)
        else:
            yield from self._contents(self._client.instances(study, series, store=self._store))

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Upload each over several streams; it comes back once it is durable, or refused."""
        self._client.statistics(store=self._store)  # an archive that is not there is told of before anything is read
        uploads = (UploadItem(item, upload_source(item), item.content.size if item.content else 0) for item in items)
        for result in self._client.upload(uploads, store=self._store, streams=_STREAMS):
            yield _answered(result)

    def marked(self, attribute: str, text: str) -> Iterator[Item]:
        """The studies whose plain attribute has this value, each with the header of one of its instances."""
        for number, study in enumerate(self._client.studies(store=self._store), 1):
            if study.attributes.get(attribute) != text:
                continue
            for one in islice(self._client.instances(study.study_uid, store=self._store), 1):
                header = self._client.header(one.sop_instance_uid, store=self._store).dicom_json
                yield Item(
                    {"id": study.study_uid, "study_uid": study.study_uid}, header=json.loads(header), number=number
                )

    def delete(self, wanted: Item) -> int:
        """Delete the study, series or instance that `wanted.meta` names."""
        study, series, sop = self._named(wanted)
        answer = self._client.delete(study, series_uid=series, sop_instance_uids=sop or (), store=self._store)
        return answer.deleted_count

    def undelete(self, wanted: Item) -> int:
        """Bring back the study, series or instance that `wanted.meta` names."""
        study, series, sop = self._named(wanted)
        answer = self._client.undelete(study, series_uid=series, sop_instance_uids=sop or (), store=self._store)
        return answer.restored_count

    def watch(self, after: str | None, stop_at_head: bool) -> Iterator[Item]:
        """Changes, of this store if one is named, else of all; headers are left out."""
        head = self._client.statistics(store=self._store).head_position
        with self._client.watch_feed(
            head if after is None else after,
            stores=[self._store] if self._store else (),
            stop_at_head=stop_at_head,
            omit_headers=True,
            reconnect=True,
        ) as responses:
            for response in responses:
                yield from map(_change, response.entries)

    def start_import(self, path: str) -> str:
        """Start to store what lies under a path of the archive's host; the name of the operation."""
        return self._client.import_instances(path, store=self._store).name

    def start_verify(self, repair: bool) -> str:
        """Start to verify the store; the name of the operation."""
        return self._client.verify(store=self._store, repair=repair).name

    def start_backup(self) -> str:
        """Start to bring the archive's backup up to date; the name of the operation."""
        return self._client.back_up().name

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: what failed of it; at last its counts, or why it ended."""
        return await_work(self._operations, operation, on_progress)

    def _describe(self, channel: Channel) -> str:
        held = ArchiveClient(channel).statistics(store=self._store)
        return f"{held.study_count} studies, {held.instance_count} instances, {held.size_bytes:,} bytes"

    def _contents(self, instances: Iterable[Instance]) -> Iterator[Item]:
        """The instances with their bytes: runs of small ones in one stream, large ones when they are opened."""
        for small, run in groupby(instances, lambda instance: instance.size_bytes <= _SMALL):
            if not small:
                for instance in run:
                    yield Item(_meta(instance), content=self._opened_later(instance))
                continue
            while uids := [instance.sop_instance_uid for instance in islice(run, _TOGETHER)]:
                for downloaded in self._client.download(sop_instance_uids=uids, store=self._store):
                    yield Item(_meta(downloaded.instance), content=BytesContent(downloaded.read()))

    def _named(self, wanted: Item) -> tuple[str, str, str]:
        """Study, series and instance UID of the deepest level named; an instance stands for itself.

        An `id` is the UID of a study, else of an instance; `level` says of which.
        """
        study, series, sop = (str(wanted.meta.get(key) or "") for key in UIDS)
        if sop:
            return "", "", sop
        if study:
            return study, series, ""
        uid, level = str(wanted.meta.get("id") or ""), level_of(wanted.meta.get("level"))
        if not uid or level not in (None, STUDY, INSTANCE):
            raise invalid_field("item", "names no study, series or instance; a series is named with its study")
        return (uid, "", "") if level is STUDY or (level is None and self._is_study(uid)) else ("", "", uid)

    def _is_study(self, uid: str) -> bool:
        try:
            self._client.study(uid, store=self._store)
        except NotFound:
            return False
        return True

    def _one(self, sop_instance_uid: str) -> Iterator[Item]:
        for downloaded in self._client.download(sop_instance_uids=sop_instance_uid, store=self._store):
            instance = downloaded.instance
            if instance.size_bytes <= _SMALL:
                yield Item(_meta(instance), content=BytesContent(downloaded.read()))
            else:
                yield Item(_meta(instance), content=self._opened_later(instance))
                return  # which gives up the rest of the stream

    def _opened_later(self, instance: Instance) -> Content:
        uid, version = instance.sop_instance_uid, instance.version
        return PiecesContent(instance.size_bytes, lambda: self._client.read(uid, store=self._store, version=version))


def _answered(result: UploadResult) -> Item:
    item: Item = result.key
    if result.error:
        item.failure = failure_of(result.error)
        with suppress(DianaError, MeshError, OSError):
            fill_header(item)  # what can be read of it names it better than its number does
    else:
        item.meta |= _meta(result.instance) | {"outcome": _OUTCOMES[result.outcome], "position": result.position}
    return item


def _meta(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.sop_instance_uid,
        "store": instance.store,
        "study_uid": instance.study_uid,
        "series_uid": instance.series_uid,
        "sop_instance_uid": instance.sop_instance_uid,
        "sop_class_uid": instance.sop_class_uid,
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "size_bytes": instance.size_bytes,
        "data_set_sha256": instance.data_set_sha256.hex(),
    }


def _change(entry: FeedEntry) -> Item:
    kind = entry.WhichOneof("event") or "unknown"
    meta = {
        "position": entry.position,
        "time": entry.commit_time.ToDatetime().isoformat(timespec="milliseconds") + "Z",
        "store": entry.store,
        "change": kind,
    }
    return Item(meta | _details(entry, kind))


def _details(entry: FeedEntry, kind: str) -> dict[str, Any]:
    match kind:
        case "instance_stored":
            instance = entry.instance_stored.instance
            return {key: _meta(instance)[key] for key in ("study_uid", "series_uid", "sop_instance_uid", "size_bytes")}
        case "instances_deleted" | "instances_restored":
            event = getattr(entry, kind)
            return {"study_uid": event.study_uid, "instances": len(event.instances)}
        case "study_attributes_changed":
            changed = entry.study_attributes_changed
            return {"study_uid": changed.study_uid, "attributes": dict(changed.attributes)}
        case "study_completed":
            completed = entry.study_completed
            reason = CompletionReason.Name(completed.reason).removeprefix("COMPLETION_REASON_").lower()
            return {"study_uid": completed.study_uid, "reason": reason, "instances": completed.instance_count}
        case _:
            return {}


KIND = Kind(ArchiveSettings, Archive, setting="store", mesh=True)
