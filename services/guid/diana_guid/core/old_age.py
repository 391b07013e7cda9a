"""Ages over 89, of which nothing but that is told: 090Y, and a birth date that says the same."""

from __future__ import annotations

from datetime import date, timedelta

from diana_guid.core.subject import Subject, subject_invalid

OLDEST_TOLD = 89
"""The highest age in whole years that is told as it is."""


def is_over_89(subject: Subject, birth_date: date) -> bool:
    """Whether a subject is 90 or older on the reference date, by the birth date if that is given, else by the age."""
    if subject.birth_date is None and subject.age_years is not None:
        return subject.age_years >= OLDEST_TOLD + 1
    return subject.reference_date is not None and whole_years(birth_date, subject.reference_date) > OLDEST_TOLD


def whole_years(birth_date: date, day: date) -> int:
    """The age in whole years on a day."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def birth_date_over_89(reference_date: date, offset: timedelta) -> date:
    """A birth date of somebody who is 90 on the reference date as it will be published, moved by `offset`.

    It comes from that day only: 1 April or 1 October, whichever makes 90 of every day within three months, so that
    the dates of one study agree. Raises SUBJECT_INVALID when it leaves the calendar.
    """
    try:
        day = reference_date + offset
        return date(day.year - 91, 10, 1) if day.month <= 6 else date(day.year - 90, 4, 1)
    except (ValueError, OverflowError):
        raise subject_invalid("reference_date", "leaves the calendar with an age of 90 years") from None
