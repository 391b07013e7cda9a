"""Between the contract's messages and the core's values."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from google.protobuf.timestamp_pb2 import Timestamp

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2, resources_pb2
from diana.type.v1 import origin_pb2
from diana_archive.core.backing_up import BackedUp
from diana_archive.core.feed import FeedPage
from diana_archive.core.model import (
    CompletionReason,
    ConflictPolicy,
    FeedEntry,
    HeaderOmitted,
    Instance,
    InstanceName,
    InstancesDeleted,
    InstancesRestored,
    InstanceStored,
    Origin,
    Outcome,
    Selector,
    Series,
    State,
    Stored,
    StorePolicy,
    Study,
    StudyAttributesChanged,
)
from diana_archive.core.reading import Piece
from diana_archive.core.uploads import Answer, Chunk
from diana_archive.core.verifying import Verified
from diana_common.errors import invalid_field
from diana_common.position import Position
from diana_server.errors import to_status

_SECOND = 1_000_000
_DOOR = re.compile(r"[a-z0-9-]*")
_ORIGIN_LIMITS = {"door": 63, "rule": 255, "operation": 255, "source": 255}

_OUTCOMES = {
    Outcome.STORED: pb.UploadResult.OUTCOME_STORED,
    Outcome.ALREADY_STORED: pb.UploadResult.OUTCOME_ALREADY_STORED,
    Outcome.STORED_AS_CURRENT: pb.UploadResult.OUTCOME_STORED_AS_CURRENT,
}
_POLICIES = {
    ConflictPolicy.REFUSE: resources_pb2.CONFLICT_POLICY_REFUSE,
    ConflictPolicy.KEEP_BOTH: resources_pb2.CONFLICT_POLICY_KEEP_BOTH,
}
_OMITTED = {
    HeaderOmitted.PRESENT: feed_pb2.HEADER_OMITTED_UNSPECIFIED,
    HeaderOmitted.TOO_LARGE: feed_pb2.HEADER_OMITTED_TOO_LARGE,
    HeaderOmitted.PURGED: feed_pb2.HEADER_OMITTED_PURGED,
    HeaderOmitted.NOT_ASKED: feed_pb2.HEADER_OMITTED_NOT_ASKED,
}
_REASONS = {
    CompletionReason.QUIET_PERIOD: feed_pb2.COMPLETION_REASON_QUIET_PERIOD,
    CompletionReason.ASSOCIATION_RELEASED: feed_pb2.COMPLETION_REASON_ASSOCIATION_RELEASED,
    CompletionReason.COUNTED_AGAINST_SOURCE: feed_pb2.COMPLETION_REASON_COUNTED_AGAINST_SOURCE,
    CompletionReason.DECLARED: feed_pb2.COMPLETION_REASON_DECLARED,
}
_REASONS_BACK = {number: reason for reason, number in _REASONS.items()}


def timestamp(microseconds: int) -> Timestamp:
    """A time."""
    seconds, rest = divmod(microseconds, _SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def to_origin(message: origin_pb2.Origin) -> Origin:
    """An origin as a caller tells it. Raises DianaError INVALID_FIELD."""
    for name, most in _ORIGIN_LIMITS.items():
        if len(getattr(message, name)) > most:
            raise invalid_field(f"origin.{name}", f"is longer than {most} characters")
    if not _DOOR.fullmatch(message.door):
        raise invalid_field("origin.door", "has something else than lower-case letters, digits and dashes")
    return Origin(message.door, message.rule, message.operation, message.source)


def to_selector(message: resources_pb2.Selector) -> Selector:
    """A selector."""
    return Selector(message.study_uid, message.series_uid, tuple(message.sop_instance_uids))


def to_reason(number: feed_pb2.CompletionReason.ValueType) -> CompletionReason:
    """Why a caller declares a study complete; its message was validated."""
    return _REASONS_BACK[number]


def to_chunks(message: pb.UploadInstancesRequest) -> list[Chunk]:
    """The chunks of an upload's message."""
    return [Chunk(one.tag, one.write_offset, one.data, one.finish) for one in message.chunks]


def instance(one: Instance) -> resources_pb2.Instance:
    """An instance."""
    message = resources_pb2.Instance(
        store=one.store,
        study_uid=one.study_uid,
        series_uid=one.series_uid,
        sop_instance_uid=one.sop_instance_uid,
        sop_class_uid=one.sop_class_uid,
        transfer_syntax_uid=one.transfer_syntax_uid,
        size_bytes=one.size_bytes,
        data_set_sha256=one.data_set_sha256,
        version=one.version,
        current=one.state == State.CURRENT,
        store_time=timestamp(one.store_us),
    )
    if one.state == State.DELETED and one.delete_us is not None:
        message.delete_time.CopyFrom(timestamp(one.delete_us))
    return message


def study(one: Study) -> resources_pb2.Study:
    """A study."""
    return resources_pb2.Study(
        store=one.store,
        study_uid=one.study_uid,
        series_count=one.series_count,
        instance_count=one.instance_count,
        size_bytes=one.size_bytes,
        first_store_time=timestamp(one.first_store_us),
        last_store_time=timestamp(one.last_store_us),
        complete=one.complete,
        attributes=one.attributes,
        sealed_keys=one.sealed_keys,
    )


def series(one: Series) -> resources_pb2.Series:
    """A series."""
    return resources_pb2.Series(
        store=one.store,
        study_uid=one.study_uid,
        series_uid=one.series_uid,
        instance_count=one.instance_count,
        size_bytes=one.size_bytes,
    )


def store(one: StorePolicy) -> resources_pb2.Store:
    """A store."""
    return resources_pb2.Store(
        name=one.name,
        conflict_policy=_POLICIES[one.conflict],
        quiet_period_seconds=one.quiet_us // _SECOND,
        grace_period_seconds=one.grace_us // _SECOND,
    )


def upload_results(answers: Iterable[Answer], position: Callable[[int], Position]) -> pb.UploadInstancesResponse:
    """Answers of an upload."""
    return pb.UploadInstancesResponse(results=[_upload_result(answer, position) for answer in answers])


def _upload_result(answer: Answer, position: Callable[[int], Position]) -> pb.UploadResult:
    result = answer.result
    if not isinstance(result, Stored):
        return pb.UploadResult(tag=answer.tag, status=to_status(result))
    return pb.UploadResult(
        tag=answer.tag,
        outcome=_OUTCOMES[result.outcome],
        instance=instance(result.instance),
        position=str(position(result.instance.sequence)),
    )


def download_chunk(piece: Piece) -> pb.DownloadChunk:
    """A piece of a download."""
    return pb.DownloadChunk(
        instance=instance(piece.instance) if piece.instance else None, data=piece.data, finish=piece.finish
    )


def feed_page(page: FeedPage, position: Callable[[int], Position]) -> pb.WatchFeedResponse:
    """A page of the feed."""
    return pb.WatchFeedResponse(
        entries=[_feed_entry(entry, position) for entry in page.entries],
        position=str(page.position),
        entries_behind=page.entries_behind,
    )


def _feed_entry(entry: FeedEntry, position: Callable[[int], Position]) -> feed_pb2.FeedEntry:
    message = feed_pb2.FeedEntry(
        position=str(position(entry.sequence)),
        store=entry.store,
        commit_time=timestamp(entry.commit_us),
        origin=origin_pb2.Origin(
            door=entry.origin.door,
            rule=entry.origin.rule,
            operation=entry.origin.operation,
            source=entry.origin.source,
        ),
    )
    _set_event(message, entry)
    return message


def _set_event(message: feed_pb2.FeedEntry, entry: FeedEntry) -> None:
    event = entry.event
    if isinstance(event, InstanceStored):
        stored = message.instance_stored
        stored.instance.CopyFrom(instance(event.instance))
        stored.dicom_json = zlib.decompress(event.header) if event.header else b""
        stored.header_omitted = _OMITTED[event.omitted]
        stored.replaced_version = event.replaced_version
    elif isinstance(event, InstancesDeleted):
        message.instances_deleted.study_uid = event.study_uid
        message.instances_deleted.instances.extend(_names(event.instances))
    elif isinstance(event, InstancesRestored):
        message.instances_restored.study_uid = event.study_uid
        message.instances_restored.instances.extend(_names(event.instances))
    elif isinstance(event, StudyAttributesChanged):
        message.study_attributes_changed.study_uid = event.study_uid
        message.study_attributes_changed.attributes.update(event.attributes)
        message.study_attributes_changed.sealed_keys.extend(event.sealed_keys)
    else:
        message.study_completed.study_uid = event.study_uid
        message.study_completed.reason = _REASONS[event.reason]
        message.study_completed.instance_count = event.instance_count
        message.study_completed.attributes.update(event.attributes)


def _names(names: Sequence[InstanceName]) -> list[feed_pb2.InstanceName]:
    return [
        feed_pb2.InstanceName(series_uid=name.series_uid, sop_instance_uid=name.sop_instance_uid, version=name.version)
        for name in names
    ]


def verify_result(verified: Verified) -> pb.VerifyStoreResult:
    """The result of a verification."""
    return pb.VerifyStoreResult(
        instance_count=verified.instance_count,
        size_bytes=verified.size_bytes,
        damaged_count=verified.damaged_count,
        orphan_count=verified.orphan_count,
    )


def verified_to_bytes(verified: Verified) -> bytes:
    """How far a verification is, for its checkpoint."""
    return json.dumps(asdict(verified)).encode()


def to_verified(checkpoint: bytes) -> Verified:
    """And back; the beginning from an empty one."""
    return Verified(**json.loads(checkpoint)) if checkpoint else Verified()


def backup_result(done: BackedUp) -> pb.BackUpArchiveResult:
    """The result of a backup."""
    return pb.BackUpArchiveResult(
        instance_count=done.instance_count, copied_count=done.copied_count, copied_bytes=done.copied_bytes
    )
