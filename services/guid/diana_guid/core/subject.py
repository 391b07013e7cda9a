"""Whom an identity is minted for, what comes out, and how a subject's values are read.

Values are read leniently where the standard is (padding, case of the sex) and refused with the
field's name where a wrong reading would merge two people. No error carries a value.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from diana_common.errors import DianaError, FieldViolation, Reason

MAX_TEXT = 1024
"""Longest text value in characters; the standard's longest here, a three-group PN, is 194."""

MAX_AGE_YEARS = 150
"""Largest age in years; AS could say 999 (PS3.5 section 6.2), nobody is."""

_DAYS_A_YEAR = 365.25

Refuse = Callable[[str, str], DianaError]
"""Makes the error for a field and what is wrong with it."""


@dataclass(frozen=True, slots=True, repr=False)
class Subject:
    """A person as the source knows them. Which values are needed is the scheme's affair.

    patient_id: Patient ID (0010,0020); spaces and NUL around it are padding.
    issuer: Issuer of Patient ID (0010,0021), or the authority configured for the source.
    name: Patient's Name (0010,0010), any of the forms PN allows, or words in any order.
    birth_date: Patient's Birth Date (0010,0030). When given, `age_years` is not looked at.
    age_years: at `reference_date`, which it needs.
    reference_date: the day `age_years` was true, usually the study's. In scheme `keyed` it also tells who
        is over 89 (`old_age`); who is known by an age is not born after it.
    sex: Patient's Sex (0010,0040); M or F by the first letter in either case, else unknown.

    It has no repr: a log or a traceback that shows a subject shows nothing.
    """

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: date | None = None
    age_years: float | None = None
    reference_date: date | None = None
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A pseudo-identity.

    id: the new Patient ID, 32 letters and digits 2 to 7, fits LO.
    name: the new Patient's Name in DICOM form, `LAST^FIRST^M`. In scheme `diana2` its initials are the id's
        first letters; in scheme `keyed` it says nothing of the id.
    birth_date: near the true one; None when the subject gave neither birth date nor age.
    time_offset: to be added to every date and time of the subject. Whole days, unless the domain
        asks for seconds or the scheme is `diana2`; then dates move together with their times.
    """

    id: str
    name: str
    birth_date: date | None
    time_offset: timedelta = field(repr=False)


def subject_invalid(field_name: str, description: str) -> DianaError:
    """The refusal that names one field of a subject."""
    path = f"subject.{field_name}"
    violation = FieldViolation(path, description)
    return DianaError(Reason.SUBJECT_INVALID, f"{path}: {description}", fields=[violation])


def plain_text(value: str, field_name: str, refuse: Refuse = subject_invalid) -> str:
    """`value` without padding (spaces and NUL), in Unicode form NFC, so that equal text is equal bytes.

    Raises what `refuse` makes when it is longer than `MAX_TEXT` or can't be encoded (lone surrogates).
    """
    try:
        bounded(value, field_name, refuse).encode("utf-8")
    except UnicodeEncodeError:
        raise refuse(field_name, "is not valid Unicode text") from None
    return unicodedata.normalize("NFC", value).strip("\0 ")


def bounded(value: str, field_name: str, refuse: Refuse = subject_invalid) -> str:
    """`value` as it is. Raises what `refuse` makes when it is longer than `MAX_TEXT`."""
    if len(value) > MAX_TEXT:
        raise refuse(field_name, f"is longer than {MAX_TEXT} characters")
    return value


def sex_letter(sex: str) -> str:
    """`M`, `F`, or `U` for anything else: only the first letter counts, in either case."""
    letter = sex.strip("\0 ")[:1].upper()
    return letter if letter in ("M", "F") else "U"


def birth_date_of(subject: Subject) -> date | None:
    """The birth date, counted back from age and reference date when it is absent; None when neither is given.

    A year counts 365.25 days, rounded down to whole days. Raises SUBJECT_INVALID when the age is
    not a number from 0 to `MAX_AGE_YEARS`, lacks its reference date, or reaches back too far.
    """
    if subject.birth_date is not None or subject.age_years is None:
        return subject.birth_date
    return _counted_back(subject.age_years, subject.reference_date)


def moved(birth_date: date, days: int) -> date:
    """`birth_date` moved by `days`. Raises SUBJECT_INVALID when it leaves the years 1 to 9999."""
    try:
        return birth_date + timedelta(days=days)
    except OverflowError:
        raise subject_invalid("birth_date", "leaves the calendar when moved") from None


def _counted_back(age: float, reference_date: date | None) -> date:
    if not (math.isfinite(age) and 0 <= age <= MAX_AGE_YEARS):
        raise subject_invalid("age_years", f"is not a number of years from 0 to {MAX_AGE_YEARS}")
    if reference_date is None:
        raise subject_invalid("reference_date", "is needed with an age: the day on which the age was true")
    try:
        return reference_date - timedelta(days=age * _DAYS_A_YEAR)
    except OverflowError:
        raise subject_invalid("age_years", "reaches back before the year 1") from None
