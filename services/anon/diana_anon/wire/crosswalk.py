"""CrosswalkService's messages."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from diana.anon.v1 import crosswalk_service_pb2 as pb
from diana.guid.v1 import guid_service_pb2 as guid_pb
from diana_anon.core.proof.crosswalk import Passage
from diana_anon.core.proof.trail import Entry
from diana_anon.core.subject import Subject

_SEXES = {"F": guid_pb.SEX_FEMALE, "M": guid_pb.SEX_MALE, "O": guid_pb.SEX_OTHER}


def reidentified_to_proto(pseudonym: str, passage: Passage) -> pb.Reidentified:
    """Who a pseudonym stands for; the study too, if it is one's."""
    return pb.Reidentified(
        pseudonym=pseudonym,
        subject=_subject(passage.subject),
        study_uid=passage.study_uid if pseudonym == passage.new_study_uid else "",
        store=passage.store,
    )


def entry_to_proto(entry: Entry) -> pb.Reidentification:
    """An entry of the log."""
    created = Timestamp()
    created.FromDatetime(datetime.fromisoformat(entry.create_time))
    return pb.Reidentification(
        number=entry.number,
        create_time=created,
        caller=entry.caller,
        domain=entry.domain,
        pseudonyms=entry.pseudonyms,
        reason=entry.reason,
        granted=entry.granted,
        digest=entry.digest,
    )


def _subject(subject: Subject) -> guid_pb.Subject:
    born = subject.birth_date
    seen = subject.reference_date
    return guid_pb.Subject(
        patient_id=subject.patient_id,
        issuer=subject.issuer,
        name=subject.name,
        birth_date=Date(year=born.year, month=born.month, day=born.day) if born else None,
        age_years=subject.age_years,
        reference_date=Date(year=seen.year, month=seen.month, day=seen.day) if seen else None,
        sex=_SEXES.get(subject.sex, guid_pb.SEX_UNSPECIFIED),
    )
