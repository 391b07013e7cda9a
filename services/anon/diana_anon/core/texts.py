"""A free text, a report for example, without the identifiers of its subject and study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from diana_anon.core.ports import Source
from diana_anon.core.studies.deidentifier import Deidentifier
from diana_anon.core.studies.siblings import gathered_from
from diana_anon.core.subject import Subject, read_subject
from diana_anon.core.text.identifiers import NOBODY, Identifiers, named
from diana_anon.core.text.report import cleaned_report
from diana_common.errors import DianaError, FieldViolation, Reason


@dataclass(frozen=True, slots=True, repr=False)
class TextJob:
    """A text and whom it is about: a subject, a study of a store, or both, and further identifiers to strike."""

    profile: str
    text: str
    subject: Subject | None
    identifiers: Sequence[str]
    store: str
    study_uid: str


class TextDeidentifier:
    """De-identifies texts. Safe to use from several threads."""

    def __init__(self, deidentifier: Deidentifier, source: Source) -> None:
        self._deidentifier = deidentifier
        self._source = source

    def run(self, job: TextJob) -> tuple[str, int]:
        """The text without identifiers, and in how many places it was changed.

        Raises PROFILE_UNKNOWN, STORE_UNKNOWN, STUDY_NOT_FOUND, SUBJECT_INVALID, PEER_UNAVAILABLE, INTERNAL.
        """
        procedure = self._deidentifier.procedure(job.profile)
        subject, known = job.subject, NOBODY
        if job.study_uid:
            headers = list(self._source.first_headers(job.store, job.study_uid))
            subject = subject or (read_subject(headers[0]) if headers else None)
            known = gathered_from(headers, procedure.profile)
        if subject is not None:
            known |= _told(subject)
        known |= named(job.identifiers)
        offset = timedelta()
        if procedure.profile.shifts_dates:
            offset = self._deidentifier.identities(procedure).of(_required(subject)).offset
        return cleaned_report(procedure.profile, job.text, known, offset)


def _told(subject: Subject) -> Identifiers:
    births = [subject.birth_date] if subject.birth_date else []
    return named([subject.name, subject.patient_id], births)


def _required(subject: Subject | None) -> Subject:
    if subject is None:
        text = "is required where the profile moves dates, unless study_uid names a study"
        raise DianaError(Reason.SUBJECT_INVALID, f"subject: {text}", fields=[FieldViolation("subject", text)])
    return subject
