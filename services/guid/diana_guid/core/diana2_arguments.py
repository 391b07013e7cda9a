"""Reads what callers of the older system's mint pass: words for the sex, dates in many forms, ages as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime

from diana_guid.core.subject import Subject, subject_invalid

_DATE_FORMS = ("%m/%d/%Y", "%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y")
_DIGITS = re.compile(r"(\d{8})(?:\d{6})?\Z", re.ASCII)
_MAX_DATE_CHARACTERS = 40


def diana2_subject(
    name: object,
    dob: str | date | None = None,
    age: str | float | None = None,
    reference_date: str | date | None = None,
    gender: str | None = None,
) -> Subject:
    """A subject from the older mint's arguments, under its names.

    Dates may be ISO dates or date-times (the day as written, whatever the zone), `YYYYMMDD` with or
    without a time, `month/day/year`, or `January 1, 2018`. An age given as text is a whole number
    of years. An empty birth date counts as none. Raises SUBJECT_INVALID naming the field.
    """
    return Subject(
        name=str(name),
        birth_date=_read_date(dob, "birth_date"),
        age_years=_read_age(age),
        reference_date=_read_date(reference_date, "reference_date"),
        sex=gender or "",
    )


def _read_date(value: str | date | None, field: str) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if not value or isinstance(value, date):
        return value or None
    text = value.strip()
    if len(text) <= _MAX_DATE_CHARACTERS:
        if digits := _DIGITS.match(text):
            text = digits[1]
        for read in (datetime.fromisoformat, *map(_reader, _DATE_FORMS)):
            try:
                return read(text).date()
            except ValueError:
                continue
    raise subject_invalid(field, "is not a date: write it as YYYY-MM-DD or YYYYMMDD")


def _reader(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)


def _read_age(value: str | float | None) -> float | None:
    if not isinstance(value, str):
        return value
    try:
        return int(value) if value.strip() else None
    except ValueError:
        raise subject_invalid("age_years", "is not a whole number of years") from None
