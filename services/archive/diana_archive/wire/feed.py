"""The feed: its entries, and what is told of a study's completeness."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2
from diana.type.v1 import origin_pb2
from diana_archive.core.feed import FeedPage
from diana_archive.core.model import (
    CompletionReason,
    Evidence,
    Fact,
    FeedEntry,
    HeaderOmitted,
    InstanceName,
    InstancesDeleted,
    InstancesRestored,
    InstanceStored,
    ProcedureStep,
    SessionEnded,
    SourceCount,
    StepStatus,
    StudyAttributesChanged,
)
from diana_archive.wire.resources import instance, timestamp
from diana_common.position import Position

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
