"""What both of the cohorts' clients build alike."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import grpc

from diana.index.v1 import cohort_service_pb2 as pb
from diana.index.v1 import index_service_pb2
from diana.operation.v1.operation_service_pb2 import Operation
from diana.type.v1.query_level_pb2 import QUERY_LEVEL_INSTANCE, QUERY_LEVEL_PATIENT, QUERY_LEVEL_SERIES
from diana_client.errors import InvalidRequest

MOST_EXPORTED = 10_000
"""Records of a frozen cohort that is exported: each is named in one question."""


def create_request(cohort_id: str, question: index_service_pb2.Question, description: str) -> pb.CreateCohortRequest:
    """The request that saves a question."""
    return pb.CreateCohortRequest(cohort=pb.Cohort(cohort_id=cohort_id, description=description, question=question))


def freeze_request(
    cohort_id: str, frozen_cohort_id: str, at_least_position: str, request_id: str
) -> pb.FreezeCohortRequest:
    """The request to freeze; it has an id."""
    return pb.FreezeCohortRequest(
        cohort_id=cohort_id,
        frozen_cohort_id=frozen_cohort_id,
        at_least_position=at_least_position,
        request_id=request_id or str(uuid.uuid4()),
    )


def frozen_cohort(operation: Operation) -> pb.Cohort:
    """The cohort that a freezing ended with; an empty one if it did not succeed."""
    cohort = pb.Cohort()
    operation.result.Unpack(cohort)
    return cohort


def new_study(member: pb.CohortMember, seen: set[str]) -> str:
    """A member's study, unless it was seen before. Raises InvalidRequest for a patient."""
    if not member.study_uid or member.patient_id:
        raise _invalid("is of patients, who name no studies: save a question for studies")
    if member.study_uid in seen:
        return ""
    seen.add(member.study_uid)
    return member.study_uid


def check_exportable(cohort: pb.Cohort) -> None:
    """Raises InvalidRequest for a cohort whose records cannot be named in one question."""
    if cohort.question.level == QUERY_LEVEL_PATIENT:
        raise _invalid("is of patients, and frozen: such a one has no table")
    if cohort.record_count > MOST_EXPORTED:
        raise _invalid(f"is frozen and has over {MOST_EXPORTED:,} records, too many for one table")


def question_of(cohort: pb.Cohort, members: Sequence[pb.CohortMember]) -> index_service_pb2.Question:
    """The question that finds a frozen cohort's records, as far as they are there still."""
    level = cohort.question.level
    asked = index_service_pb2.Question(store=cohort.question.store, level=level)
    named = {"StudyInstanceUID": [one.study_uid for one in members]}
    if level >= QUERY_LEVEL_SERIES:
        named["SeriesInstanceUID"] = [one.series_uid for one in members]
    if level == QUERY_LEVEL_INSTANCE:
        named["SOPInstanceUID"] = [one.sop_instance_uid for one in members]
    for attribute, uids in named.items():
        # Of no records there is a table too: no record has this UID.
        asked.matches.add(attribute=attribute, values=dict.fromkeys(uids) or ["0"])
    return asked


def _invalid(description: str) -> InvalidRequest:
    return InvalidRequest(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"cohort_id: {description}",
        reason="INVALID_FIELD",
        fields=[("cohort_id", description)],
    )
