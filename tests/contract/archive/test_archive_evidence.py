"""Completeness by what doors tell: recorded, weighed, told in the feed, and not used twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2
from diana.archive.v1.resources_pb2 import Selector
from diana.type.v1.origin_pb2 import Origin
from diana_archive.core.completing import UNCLAIMED_KEPT_US
from diana_archive.core.evidence import MOST_EVIDENCE
from diana_common.errors import Reason
from tests.contract.archive.harness import (
    GRACE,
    QUIET,
    SECOND,
    SETTLE,
    STUDY,
    Clock,
    Rig,
    entries,
    kinds,
    make,
    open_door,
    put,
    refused,
    uid,
)

STEP = f"{STUDY}.9"


def record(
    door: Any, evidence: feed_pb2.Evidence, store: str = "", study_uid: str = STUDY, origin: Origin | None = None
) -> bool:
    request = pb.RecordEvidenceRequest(store=store, study_uid=study_uid, evidence=evidence, origin=origin)
    return bool(door.RecordEvidence(request).complete)


def session(name: str, count: int, released: bool = True) -> feed_pb2.Evidence:
    ended = feed_pb2.SessionEnded(session=name, released=released, instance_count=count)
    return feed_pb2.Evidence(session_ended=ended)


def counted(count: int) -> feed_pb2.Evidence:
    return feed_pb2.Evidence(source_count=feed_pb2.SourceCount(instance_count=count))


def step(*numbers: int, status: int = feed_pb2.PROCEDURE_STEP_STATUS_COMPLETED) -> feed_pb2.Evidence:
    one = feed_pb2.ProcedureStep(procedure_step_uid=STEP, sop_instance_uids=[uid(number) for number in numbers])
    one.status = feed_pb2.ProcedureStepStatus.ValueType(status)
    return feed_pb2.Evidence(procedure_step=one)


def is_complete(door: Any, store: str = "") -> bool:
    return bool(door.GetStudy(pb.GetStudyRequest(store=store, study_uid=STUDY)).study.complete)


def declarations(door: Any) -> list[Any]:
    return [entry.study_completed for entry in entries(door) if entry.HasField("study_completed")]


def reasons(door: Any) -> list[str]:
    return [feed_pb2.CompletionReason.Name(one.reason).removeprefix("COMPLETION_REASON_") for one in declarations(door)]


def test_a_count_told_before_the_first_instance_completes_the_study_when_it_is_met(door: Any, rig: Rig) -> None:
    assert not record(door, counted(2))
    put(door, make(1))
    rig.archive.upkeep.look()
    assert not is_complete(door)
    put(door, make(2))
    rig.archive.upkeep.look()
    assert is_complete(door)
    assert reasons(door) == ["COUNTED_AGAINST_SOURCE"]


def test_a_count_that_is_met_already_completes_the_study_at_once(door: Any) -> None:
    put(door, make(1), make(2))
    answer = door.RecordEvidence(pb.RecordEvidenceRequest(study_uid=STUDY, evidence=counted(2)))
    assert answer.complete
    assert entries(door)[-1].position == answer.position
    assert reasons(door) == ["COUNTED_AGAINST_SOURCE"]


def test_a_session_that_was_released_completes_the_study_after_the_settle_period(
    door: Any, rig: Rig, clock: Clock
) -> None:
    put(door, make(1), make(2))
    assert not record(door, session("a", 2))
    clock.advance(SETTLE // 2)
    rig.archive.upkeep.look()
    assert not is_complete(door)
    clock.advance(SETTLE)
    rig.archive.upkeep.look()
    assert is_complete(door)
    assert reasons(door) == ["ASSOCIATION_RELEASED"]


def test_a_session_released_long_after_the_last_instance_is_weighed_too(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, make(1), store="patient")
    clock.advance(100 * QUIET)
    rig.archive.upkeep.look()
    record(door, session("a", 1), "patient")
    clock.advance(SETTLE + 1)
    rig.archive.upkeep.look()
    assert is_complete(door, "patient")


@pytest.mark.parametrize("evidence", [session("a", 1, released=False), session("a", 2)], ids=["aborted", "lost one"])
def test_a_session_that_was_cut_or_offered_more_leaves_it_to_the_quiet_period(
    door: Any, rig: Rig, clock: Clock, evidence: feed_pb2.Evidence
) -> None:
    put(door, make(1))
    record(door, evidence)
    clock.advance(QUIET // 2)
    rig.archive.upkeep.look()
    assert not is_complete(door)
    clock.advance(QUIET)
    rig.archive.upkeep.look()
    assert reasons(door) == ["QUIET_PERIOD"]


def test_a_count_above_what_is_there_holds_back_a_session_and_not_the_quiet_period(
    door: Any, rig: Rig, clock: Clock
) -> None:
    put(door, make(1))
    record(door, counted(2))
    record(door, session("a", 1))
    clock.advance(2 * SETTLE)
    rig.archive.upkeep.look()
    assert not is_complete(door)
    clock.advance(QUIET)
    rig.archive.upkeep.look()
    assert reasons(door) == ["QUIET_PERIOD"]
    put(door, make(2))
    rig.archive.upkeep.look()
    assert reasons(door) == ["QUIET_PERIOD", "COUNTED_AGAINST_SOURCE"]


def test_a_step_in_progress_holds_the_study_open_until_it_is_reported_over(door: Any, rig: Rig) -> None:
    record(door, step(status=feed_pb2.PROCEDURE_STEP_STATUS_IN_PROGRESS))
    put(door, make(1), make(2))
    assert not record(door, counted(2))
    assert record(door, step(1, 2), origin=Origin(door="dimse", source="CT01"))
    assert reasons(door) == ["COUNTED_AGAINST_SOURCE"]
    assert entries(door)[-1].origin == Origin(door="dimse", source="CT01")


def test_steps_that_are_over_complete_the_study_when_their_last_instance_arrives(door: Any, rig: Rig) -> None:
    record(door, step(1, 2))
    put(door, make(1))
    rig.archive.upkeep.look()
    assert not is_complete(door)
    put(door, make(2))
    rig.archive.upkeep.look()
    assert reasons(door) == ["PROCEDURE_STEP_COMPLETED"]


def test_the_feed_tells_all_that_was_known_oldest_first(door: Any, clock: Clock) -> None:
    put(door, make(1))
    told = [session("a", 1), step(1, status=feed_pb2.PROCEDURE_STEP_STATUS_IN_PROGRESS), step(1), counted(1)]
    for evidence in told:
        record(door, evidence)
    (completed,) = declarations(door)
    assert completed.reason == feed_pb2.COMPLETION_REASON_PROCEDURE_STEP_COMPLETED
    assert all(one.HasField("record_time") for one in completed.evidence)
    times = [one.record_time.ToMicroseconds() for one in completed.evidence]
    assert times == sorted(times)
    for one in completed.evidence:
        one.ClearField("record_time")
    assert list(completed.evidence) == [told[0], told[2]]


def test_a_late_instance_reopens_the_study_until_something_new_is_told(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, make(1), make(2))
    for evidence in (session("a", 2), step(1, 2), counted(2)):
        record(door, evidence)
    assert is_complete(door)
    put(door, make(3))
    clock.advance(2 * SETTLE)
    rig.archive.upkeep.look()
    assert not is_complete(door)
    for evidence in (session("a", 2), step(1, 2), counted(2)):
        assert not record(door, evidence), "what was known is nothing new"
    record(door, session("b", 1))
    clock.advance(SETTLE + 1)
    rig.archive.upkeep.look()
    assert reasons(door) == ["PROCEDURE_STEP_COMPLETED", "ASSOCIATION_RELEASED"]
    assert len(declarations(door)[1].evidence) == 4
    put(door, make(4))
    assert record(door, counted(4))
    assert reasons(door)[2:] == ["COUNTED_AGAINST_SOURCE"]


def test_a_session_that_repeats_a_complete_study_does_not_complete_it_after_a_late_instance(
    door: Any, rig: Rig, clock: Clock
) -> None:
    put(door, make(1))
    record(door, counted(1))
    assert record(door, session("again", 1))
    put(door, make(2))
    clock.advance(2 * SETTLE)
    rig.archive.upkeep.look()
    assert not is_complete(door)


def test_the_same_evidence_again_changes_nothing(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, make(1))
    record(door, session("a", 1))
    clock.advance(SETTLE - SECOND)
    record(door, session("a", 1))
    clock.advance(SECOND + 1)
    rig.archive.upkeep.look()
    assert is_complete(door)
    for _ in range(2):
        assert record(door, session("a", 1))
        rig.archive.upkeep.look()
    assert kinds(door) == ["instance_stored", "study_completed"]


def test_evidence_of_a_study_that_never_came_is_dropped_after_a_month(door: Any, rig: Rig, clock: Clock) -> None:
    other = f"{STUDY}.7"
    record(door, counted(1))
    record(door, counted(1), study_uid=other)
    clock.advance(UNCLAIMED_KEPT_US - SECOND)
    rig.archive.upkeep.look()
    assert evidence_count(rig, STUDY) == 1
    put(door, make(1, StudyInstanceUID=other))
    clock.advance(GRACE + 2 * SECOND)
    rig.archive.upkeep.look()
    assert (evidence_count(rig, STUDY), evidence_count(rig, other)) == (0, 1)


def test_a_study_that_is_purged_takes_its_evidence_along(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, make(1))
    record(door, counted(2))
    door.DeleteInstances(pb.DeleteInstancesRequest(selector=Selector(study_uid=STUDY)))
    clock.advance(GRACE - SECOND)
    rig.archive.upkeep.look()
    assert evidence_count(rig, STUDY) == 1
    clock.advance(2 * SECOND)
    rig.archive.upkeep.look()
    assert evidence_count(rig, STUDY) == 0


def test_a_study_keeps_no_more_evidence_than_it_may(door: Any, rig: Rig) -> None:
    put(door, make(1))
    for number in range(MOST_EVIDENCE + 2):
        record(door, session(f"s{number}", 1, released=False))
    assert evidence_count(rig, STUDY) == MOST_EVIDENCE


def test_evidence_is_of_one_store_and_of_stores_there_are(door: Any, rig: Rig) -> None:
    put(door, make(1))
    put(door, make(1), store="both")
    assert record(door, counted(1), "both")
    assert is_complete(door, "both")
    assert not is_complete(door)
    with refused(Reason.STORE_UNKNOWN):
        record(door, counted(1), "unknown")


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: pb.RecordEvidenceRequest(study_uid=STUDY),
        lambda: pb.RecordEvidenceRequest(study_uid="x", evidence=counted(1)),
        lambda: pb.RecordEvidenceRequest(study_uid=STUDY, evidence=feed_pb2.Evidence()),
        lambda: pb.RecordEvidenceRequest(study_uid=STUDY, evidence=counted(0)),
        lambda: pb.RecordEvidenceRequest(study_uid=STUDY, evidence=session("", 1)),
        lambda: pb.RecordEvidenceRequest(study_uid=STUDY, evidence=session("a", -1)),
        lambda: pb.RecordEvidenceRequest(study_uid=STUDY, evidence=step(1, status=0)),
        lambda: pb.RecordEvidenceRequest(study_uid=STUDY, evidence=step(1, status=9)),
    ],
)
def test_evidence_that_says_nothing_is_refused(rig: Rig, request_of: Any) -> None:
    with open_door("grpc", rig) as door, refused(Reason.INVALID_FIELD):
        door.RecordEvidence(request_of())


def test_nobody_declares_what_only_the_archive_states(rig: Rig) -> None:
    with open_door("grpc", rig) as door:
        put(door, make(1))
        request = pb.CompleteStudyRequest(study_uid=STUDY)
        request.reason = feed_pb2.COMPLETION_REASON_PROCEDURE_STEP_COMPLETED
        with refused(Reason.INVALID_FIELD):
            door.CompleteStudy(request)


def test_what_was_told_survives_a_restart(tmp_path: Path, clock: Clock) -> None:
    rig = Rig("files", tmp_path / "again", clock)
    with open_door("direct", rig) as door:
        put(door, make(1))
        record(door, session("a", 1), origin=Origin(door="dimse"))
    rig.close()
    clock.advance(SETTLE + 1)
    rig = Rig("files", tmp_path / "again", clock)
    try:
        rig.archive.upkeep.look()
        with open_door("direct", rig) as door:
            assert reasons(door) == ["ASSOCIATION_RELEASED"]
            assert entries(door)[-1].origin == Origin(door="dimse")
    finally:
        rig.close()


def evidence_count(rig: Rig, study_uid: str) -> int:
    with rig.catalogue.snapshot() as snapshot:
        return len(snapshot.evidence("default", study_uid))
