"""Subjects and identities, as the mint is asked for them."""

from __future__ import annotations

import datetime
from typing import Literal

from google.type.date_pb2 import Date

from diana.guid.v1 import guid_service_pb2 as guid_pb
from diana_anon.core.rewriting.engine import Identity
from diana_anon.core.subject import Subject
from diana_common.errors import DianaError, FieldViolation, Reason

_OLDEST_YEARS = 150
_SEXES = {guid_pb.SEX_UNSPECIFIED: "", guid_pb.SEX_FEMALE: "F", guid_pb.SEX_MALE: "M", guid_pb.SEX_OTHER: "O"}


def subject_to_proto(subject: Subject) -> guid_pb.Subject:
    """A subject as the mint is asked for it. Raises SUBJECT_INVALID for text that has no form in UTF-8.

    The sex is left out: the name that is drawn by it would tell it, and differ where one instance does not say.
    An age counts with the day it refers to only, and one that nobody reaches is as good as none. The day also tells
    who is over 89.
    """
    aged = subject.reference_date and subject.age_years is not None and 0 <= subject.age_years <= _OLDEST_YEARS
    try:
        return guid_pb.Subject(
            patient_id=subject.patient_id,
            issuer=subject.issuer,
            name=subject.name,
            birth_date=_date_to_proto(subject.birth_date),
            age_years=subject.age_years if aged else None,
            reference_date=_date_to_proto(subject.reference_date),
        )
    except UnicodeEncodeError:
        raise subject_invalid("subject", "is not valid Unicode text") from None


def subject_from_proto(message: guid_pb.Subject) -> Subject:
    """A subject as a caller names it. Raises SUBJECT_INVALID for a date that is none."""
    return Subject(
        patient_id=message.patient_id.strip(),
        issuer=message.issuer.strip(),
        name=message.name.strip(),
        birth_date=_date_from_proto(message, "birth_date"),
        age_years=message.age_years if message.HasField("age_years") else None,
        reference_date=_date_from_proto(message, "reference_date"),
        sex=_SEXES[message.sex],
    )


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


def _date_from_proto(message: guid_pb.Subject, field: Literal["birth_date", "reference_date"]) -> datetime.date | None:
    if not message.HasField(field):
        return None
    date: Date = getattr(message, field)
    try:
        return datetime.date(date.year, date.month, date.day)
    except ValueError:
        raise subject_invalid(f"subject.{field}", "is no date") from None
