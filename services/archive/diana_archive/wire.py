"""Between the contract's messages and the core's values."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2, resources_pb2
from diana.type.v1 import origin_pb2
from diana_archive.core.adopting import SpoolFile
from diana_archive.core.backing_up import BackedUp
from diana_archive.core.feed import FeedPage
from diana_archive.core.importing import Imported
from diana_archive.core.model import (
    CompletionReason,
    Compression,
    ConflictPolicy,
    Evidence,
    Fact,
    FeedEntry,
    HeaderOmitted,
    Instance,
    InstanceName,
    InstancesDeleted,
    InstancesRestored,
    InstanceStored,
    Origin,
    Outcome,
    ProcedureStep,
    QuotaPolicy,
    Selector,
    Series,
    SessionEnded,
    SourceCount,
    State,
    StepStatus,
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
_COMPRESSIONS = {
    Compression.NONE: resources_pb2.COMPRESSION_NONE,
    Compression.ZSTD: resources_pb2.COMPRESSION_ZSTD,
}
_QUOTA_POLICIES = {
    QuotaPolicy.REFUSE: resources_pb2.QUOTA_POLICY_REFUSE,
    QuotaPolicy.DELETE_OLDEST: resources_pb2.QUOTA_POLICY_DELETE_OLDEST,
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
    CompletionReason.PROCEDURE_STEP_COMPLETED: feed_pb2.COMPLETION_REASON_PROCEDURE_STEP_COMPLETED,
}
_REASONS_BACK = {number: reason for reason, number in _REASONS.items()}
_STEPS = {
    StepStatus.IN_PROGRESS: feed_pb2.PROCEDURE_STEP_STATUS_IN_PROGRESS,
    StepStatus.COMPLETED: feed_pb2.PROCEDURE_STEP_STATUS_COMPLETED,
    StepStatus.DISCONTINUED: feed_pb2.PROCEDURE_STEP_STATUS_DISCONTINUED,
}
_STEPS_BACK = {number: status for status, number in _STEPS.items()}


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


def to_fact(message: feed_pb2.Evidence) -> Fact:
    """What a caller knows about a study's completeness; its message was validated."""
    if message.HasField("session_ended"):
        session = message.session_ended
        return SessionEnded(session.session, session.released, session.instance_count)
    if message.HasField("source_count"):
        return SourceCount(message.source_count.instance_count)
    step = message.procedure_step
    return ProcedureStep(step.procedure_step_uid, _STEPS_BACK[step.status], tuple(step.sop_instance_uids))


def to_chunks(message: pb.UploadInstancesRequest) -> list[Chunk]:
    """The chunks of an upload's message."""
    return [
        Chunk(
            one.tag,
            one.write_offset,
            one.data,
            one.finish,
            one.upload_id,
            one.crc32 if one.HasField("crc32") else None,
            one.sha256,
        )
        for one in message.chunks
    ]


def to_files(message: pb.AdoptInstancesRequest) -> list[SpoolFile]:
    """The files of an adoption's message."""
    return [SpoolFile(one.tag, one.name) for one in message.files]


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
        settle_period_seconds=one.settle_us // _SECOND,
        retention_seconds=one.retention_us // _SECOND,
        quota_bytes=one.quota_bytes,
        quota_policy=_QUOTA_POLICIES[one.quota_policy],
        compression=_COMPRESSIONS[one.compression],
    )


def upload_results(answers: Iterable[Answer], position: Callable[[int], Position]) -> pb.UploadInstancesResponse:
    """Answers of an upload."""
    return pb.UploadInstancesResponse(results=[_upload_result(answer, position) for answer in answers])


def adopt_results(answers: Iterable[Answer], position: Callable[[int], Position]) -> pb.AdoptInstancesResponse:
    """Answers of an adoption."""
    return pb.AdoptInstancesResponse(results=[_upload_result(answer, position) for answer in answers])


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


def read_response(piece: Piece) -> pb.ReadInstanceResponse:
    """A piece of a read."""
    return pb.ReadInstanceResponse(instance=instance(piece.instance) if piece.instance else None, data=piece.data)


def add_chunk(message: pb.DownloadInstancesResponse, piece: Piece) -> None:
    """Put a piece of a download into a message, in place: a chunk that is handed over whole is copied once more."""
    whose = instance(piece.instance) if piece.instance else None
    message.chunks.add(instance=whose, data=piece.data, finish=piece.finish)


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
        message.study_completed.evidence.extend(map(_evidence, event.evidence))


def _evidence(one: Evidence) -> feed_pb2.Evidence:
    message = feed_pb2.Evidence(record_time=timestamp(one.record_us))
    fact = one.fact
    if isinstance(fact, SessionEnded):
        message.session_ended.session = fact.session
        message.session_ended.released = fact.released
        message.session_ended.instance_count = fact.instance_count
    elif isinstance(fact, SourceCount):
        message.source_count.instance_count = fact.instance_count
    else:
        message.procedure_step.procedure_step_uid = fact.procedure_step_uid
        message.procedure_step.status = _STEPS[fact.status]
        message.procedure_step.sop_instance_uids.extend(fact.sop_instance_uids)
    return message


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


def import_result(imported: Imported) -> pb.ImportInstancesResult:
    """The result of an import."""
    return pb.ImportInstancesResult(
        file_count=imported.file_count,
        stored_count=imported.stored_count,
        already_stored_count=imported.already_stored_count,
        refused_count=imported.refused_count,
        skipped_count=imported.skipped_count,
        stored_bytes=imported.stored_bytes,
    )


def backup_result(done: BackedUp) -> pb.BackUpArchiveResult:
    """The result of a backup."""
    return pb.BackUpArchiveResult(
        instance_count=done.instance_count, copied_count=done.copied_count, copied_bytes=done.copied_bytes
    )
