"""Between protobuf and anon's own words."""

from __future__ import annotations

import datetime

from google.type.date_pb2 import Date

from diana.anon.v1 import anon_service_pb2 as pb
from diana.guid.v1 import guid_service_pb2 as guid_pb
from diana_anon.core import tables
from diana_anon.core.deidentifier import Procedure
from diana_anon.core.engine import Deidentified, Identity
from diana_anon.core.study import StudyJob, StudyOutcome
from diana_anon.core.subject import Subject
from diana_common.errors import DianaError, FieldViolation, Reason

_DEFAULT_STORE = "default"
_OLDEST_YEARS = 150


def profile_to_proto(procedure: Procedure) -> pb.Profile:
    """A profile as the contract has it."""
    return pb.Profile(
        name=procedure.profile.name,
        domain=procedure.domain,
        dates=pb.DATES_SHIFTED if procedure.profile.shifts_dates else pb.DATES_REMOVED,
        standard_edition=tables.EDITION,
        method_codes=[method.value for method in procedure.plan.methods],
    )


def instance_to_proto(made: Deidentified) -> pb.AnonymizedInstance:
    """What an instance has become."""
    return pb.AnonymizedInstance(
        study_uid=made.study_uid,
        series_uid=made.series_uid,
        sop_instance_uid=made.sop_instance_uid,
        sop_class_uid=made.sop_class_uid,
        transfer_syntax_uid=made.transfer_syntax_uid,
        size_bytes=sum(len(piece) for piece in made.pieces),
    )


def job_from_proto(request: pb.AnonymizeStudyRequest) -> StudyJob:
    """What a request asks to be done, an absent store or profile being the default."""
    return StudyJob(
        source_store=request.source_store or _DEFAULT_STORE,
        study_uid=request.study_uid,
        target_store=request.target_store,
        profile=request.profile,
        attributes=dict(request.attributes),
        copied_attributes=list(request.copied_attributes),
    )


def outcome_to_proto(target_store: str, outcome: StudyOutcome) -> pb.AnonymizeStudyResult:
    """An operation's result."""
    return pb.AnonymizeStudyResult(
        target_store=target_store,
        study_uid=outcome.study_uid,
        instance_count=outcome.stored,
        failed_count=outcome.failed,
        completed=outcome.completed,
        position=outcome.position,
    )


def subject_to_proto(subject: Subject) -> guid_pb.Subject:
    """A subject as the mint is asked for it. Raises SUBJECT_INVALID for text that has no form in UTF-8.

    The sex is left out: the name that is drawn by it would tell it, and differ where one instance does not say.
    An age counts with the day it refers to only, and one that nobody reaches is as good as none.
    """
    aged = subject.reference_date and subject.age_years is not None and 0 <= subject.age_years <= _OLDEST_YEARS
    try:
        return guid_pb.Subject(
            patient_id=subject.patient_id,
            issuer=subject.issuer,
            name=subject.name,
            birth_date=_date_to_proto(subject.birth_date),
            age_years=subject.age_years if aged else None,
            reference_date=_date_to_proto(subject.reference_date) if aged else None,
        )
    except UnicodeEncodeError:
        raise subject_invalid("subject", "is not valid Unicode text") from None


def subject_invalid(field: str, description: str) -> DianaError:
    """The refusal of a subject by one of its fields."""
    return DianaError(Reason.SUBJECT_INVALID, f"{field}: {description}", fields=[FieldViolation(field, description)])


def identity_from_proto(message: guid_pb.Identity) -> Identity:
    """An identity as the mint answered it. Raises ValueError for a birth date that is none."""
    born = message.birth_date
    return Identity(
        patient_id=message.id,
        patient_name=message.name,
        birth_date=datetime.date(born.year, born.month, born.day) if message.HasField("birth_date") else None,
        offset=message.time_offset.ToTimedelta(),
    )


def _date_to_proto(date: datetime.date | None) -> Date | None:
    return None if date is None else Date(year=date.year, month=date.month, day=date.day)
