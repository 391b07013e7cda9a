"""Turns the contract's messages into the core's values and back.

What the standard lets a source write, the core reads; what a message can hold and a calendar can't,
is refused here by field. No error carries a value.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Literal

from google.protobuf.duration_pb2 import Duration
from google.type import date_pb2

from diana.guid.v1 import guid_service_pb2 as pb
from diana_common.errors import DianaError, FieldViolation
from diana_guid.core import Domain, Identity, Subject
from diana_guid.core.subject import subject_invalid

_SEXES = {pb.SEX_UNSPECIFIED: "", pb.SEX_FEMALE: "F", pb.SEX_MALE: "M", pb.SEX_OTHER: "O"}
_SCHEMES = {"keyed": pb.SCHEME_KEYED, "diana2": pb.SCHEME_DIANA2}


def subject_from_proto(message: pb.Subject) -> Subject:
    """The subject that a message describes. Raises SUBJECT_INVALID naming a date that is none.

    With a birth date, age and reference date are left out: studies of different days must not lead
    to different identities.
    """
    subject = Subject(
        patient_id=message.patient_id,
        issuer=message.issuer,
        name=message.name,
        birth_date=_read_date(message, "birth_date"),
        sex=_SEXES[message.sex],
    )
    if subject.birth_date is None and message.HasField("age_years"):
        return replace(subject, age_years=message.age_years, reference_date=_read_date(message, "reference_date"))
    return subject


def identity_to_proto(identity: Identity) -> pb.Identity:
    """The message for an identity."""
    offset = Duration()
    offset.FromTimedelta(identity.time_offset)
    born = identity.birth_date
    return pb.Identity(
        id=identity.id,
        name=identity.name,
        birth_date=date_pb2.Date(year=born.year, month=born.month, day=born.day) if born else None,
        time_offset=offset,
    )


def domain_to_proto(domain: Domain, key_present: bool) -> pb.Domain:
    """The message for a domain."""
    return pb.Domain(name=domain.name, scheme=_SCHEMES[domain.scheme], key_present=key_present)


def in_batch(refusal: DianaError, index: int) -> DianaError:
    """A subject's refusal with the paths that its fields have in a batch: `subjects[2].name`."""
    fields = [
        FieldViolation(one.field.replace("subject", f"subjects[{index}]", 1), one.description) for one in refusal.fields
    ]
    message = "; ".join(f"{one.field}: {one.description}" for one in fields)
    return DianaError(refusal.reason, message, fields=fields)


def _read_date(message: pb.Subject, field: Literal["birth_date", "reference_date"]) -> date | None:
    if not message.HasField(field):
        return None
    value = getattr(message, field)
    try:
        return date(value.year, value.month, value.day)
    except ValueError:
        raise subject_invalid(field, "is not a day of the calendar; year, month and day are all needed") from None
