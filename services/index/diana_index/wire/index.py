"""Between protobuf and the index's own words."""

from __future__ import annotations

from diana.archive.v1 import archive_service_pb2, feed_pb2
from diana.index.v1 import index_service_pb2 as pb
from diana.type.v1.query_level_pb2 import QueryLevel
from diana_index.core.answers import Record
from diana_index.core.attributes import Attribute, Level
from diana_index.core.feed import Deleted, Entry, FeedBatch, HeldHeader, InstanceName, Omitted, Restored, Stored
from diana_index.core.paths import path_text
from diana_index.core.question import Asked, Key, OrderKey

DEFAULT_STORE = "default"

_OMITTED = {
    feed_pb2.HEADER_OMITTED_TOO_LARGE: Omitted.TOO_LARGE,
    feed_pb2.HEADER_OMITTED_NOT_ASKED: Omitted.TOO_LARGE,
    feed_pb2.HEADER_OMITTED_PURGED: Omitted.PURGED,
}


def batch_from_proto(message: archive_service_pb2.WatchFeedResponse) -> FeedBatch:
    """A message of the feed."""
    return FeedBatch([_entry(one) for one in message.entries], message.position, message.entries_behind)


def held_from_proto(message: archive_service_pb2.GetInstanceHeaderResponse) -> HeldHeader:
    """A header as the archive holds it."""
    one = message.instance
    return HeldHeader(one.study_uid, one.series_uid, one.current, message.dicom_json)


def asked_from_proto(request: pb.FindRequest | pb.CountRequest | pb.Question, path: str = "") -> Asked:
    """A request's question; `path`: where in a request it is, for errors."""
    return Asked(
        store=request.store or DEFAULT_STORE,
        level=Level(request.level),
        keys=[_key(one) for one in request.matches],
        filter=request.filter,
        fuzzy_names=request.fuzzy_names,
        combined_date_times=request.combined_date_times,
        path=path,
    )


def orders_from_proto(request: pb.FindRequest | pb.ExportRecordsRequest) -> list[OrderKey]:
    """A request's sorting keys."""
    return [OrderKey(one.attribute, one.descending) for one in request.order_by]


def record_to_proto(record: Record) -> pb.Record:
    """A record as the contract has it."""
    return pb.Record(
        patient_id=record.patient_id,
        study_uid=record.study_uid,
        series_uid=record.series_uid,
        sop_instance_uid=record.sop_uid,
        dicom_json=record.dicom_json,
        instance_count=record.instance_count,
    )


def attribute_to_proto(attribute: Attribute) -> pb.IndexedAttribute:
    """An attribute of the capabilities."""
    return pb.IndexedAttribute(
        keyword=attribute.keyword,
        tag=path_text(attribute.steps) if attribute.steps else attribute.tag,
        vr=attribute.vr,
        level=level_to_proto(attribute.level),
    )


def level_to_proto(level: Level) -> QueryLevel.ValueType:
    """A level as the contract has it."""
    return QueryLevel.Value(f"QUERY_LEVEL_{level.name}")


def _key(match: pb.AttributeMatch) -> Key:
    return Key(match.attribute, tuple(match.values), tuple(_key(one) for one in match.item))


def _entry(entry: feed_pb2.FeedEntry) -> Entry:
    return Entry(entry.position, entry.store, entry.commit_time.ToMicroseconds() / 1e6, _event(entry))


def _event(entry: feed_pb2.FeedEntry) -> Stored | Deleted | Restored | None:
    match entry.WhichOneof("event"):
        case "instance_stored":
            return _stored(entry.instance_stored)
        case "instances_deleted":
            deleted = entry.instances_deleted
            return Deleted(deleted.study_uid, [_name(one) for one in deleted.instances])
        case "instances_restored":
            restored = entry.instances_restored
            return Restored(restored.study_uid, [_name(one) for one in restored.instances])
    return None


def _stored(event: feed_pb2.InstanceStored) -> Stored:
    one = event.instance
    omitted = _OMITTED.get(event.header_omitted, Omitted.NO)
    return Stored(one.study_uid, one.series_uid, one.sop_instance_uid, one.version, event.dicom_json, omitted)


def _name(name: feed_pb2.InstanceName) -> InstanceName:
    return InstanceName(name.series_uid, name.sop_instance_uid, name.version)
