"""AnonService's messages."""

from __future__ import annotations

from diana.anon.v1 import anon_service_pb2 as pb
from diana_anon.core.planning import tables
from diana_anon.core.planning.procedure import Procedure
from diana_anon.core.reports.counts import Counts
from diana_anon.core.studies.cohort import CohortJob, CohortOutcome
from diana_anon.core.studies.deidentifier import Made
from diana_anon.core.studies.study import StudyJob, StudyOutcome
from diana_anon.core.texts import TextJob
from diana_anon.wire.receipts import receipt_to_proto
from diana_anon.wire.subjects import subject_from_proto

_DEFAULT_STORE = "default"


def store_of(name: str) -> str:
    """The store that a request names."""
    return name or _DEFAULT_STORE


def profile_to_proto(procedure: Procedure) -> pb.Profile:
    """A profile as the contract has it."""
    return pb.Profile(
        name=procedure.profile.name,
        domain=procedure.domain,
        dates=pb.DATES_SHIFTED if procedure.profile.shifts_dates else pb.DATES_REMOVED,
        standard_edition=tables.EDITION,
        method_codes=[method.value for method in procedure.plan.methods],
        description=procedure.profile.description,
        digest=procedure.digest,
    )


def instance_to_proto(made: Made) -> pb.AnonymizedInstance:
    """What an instance has become."""
    return pb.AnonymizedInstance(
        study_uid=made.file.study_uid,
        series_uid=made.file.series_uid,
        sop_instance_uid=made.file.sop_instance_uid,
        sop_class_uid=made.file.sop_class_uid,
        transfer_syntax_uid=made.file.transfer_syntax_uid,
        size_bytes=sum(len(piece) for piece in made.file.pieces),
        receipt=receipt_to_proto(made.receipt),
    )


def study_job_from_proto(request: pb.AnonymizeStudyRequest) -> StudyJob:
    """What a request asks to be done, an absent store or profile being the default."""
    return StudyJob(
        source_store=store_of(request.source_store),
        study_uid=request.study_uid,
        target_store=request.target_store,
        profile=request.profile,
        attributes=dict(request.attributes),
        copied_attributes=list(request.copied_attributes),
    )


def cohort_job_from_proto(request: pb.AnonymizeStudiesRequest) -> CohortJob:
    """What a request asks to be done, an absent store or profile being the default."""
    return CohortJob(
        source_store=store_of(request.source_store),
        study_uids=list(request.study_uids),
        target_store=request.target_store,
        profile=request.profile,
        attributes=dict(request.attributes),
        copied_attributes=list(request.copied_attributes),
    )


def text_job_from_proto(request: pb.AnonymizeTextRequest) -> TextJob:
    """What a request asks to be done, an absent store or profile being the default. Raises SUBJECT_INVALID."""
    return TextJob(
        profile=request.profile,
        text=request.text,
        subject=subject_from_proto(request.subject) if request.HasField("subject") else None,
        identifiers=list(request.identifiers),
        store=store_of(request.store),
        study_uid=request.study_uid,
    )


def study_outcome_to_proto(target_store: str, outcome: StudyOutcome) -> pb.AnonymizeStudyResult:
    """An operation's result."""
    return pb.AnonymizeStudyResult(
        target_store=target_store,
        study_uid=outcome.study_uid,
        instance_count=outcome.stored,
        failed_count=outcome.failed,
        completed=outcome.completed,
        position=outcome.position,
        quarantined_count=outcome.quarantined,
    )


def cohort_outcome_to_proto(target_store: str, outcome: CohortOutcome, counts: Counts) -> pb.AnonymizeStudiesResult:
    """An operation's result; without a target store that of a preview."""
    return pb.AnonymizeStudiesResult(
        target_store=target_store,
        study_count=counts.studies,
        failed_study_count=counts.failed_studies,
        instance_count=counts.instances,
        failed_count=counts.refused,
        quarantined_count=counts.quarantined,
        position=outcome.position,
    )
