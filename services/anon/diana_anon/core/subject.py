"""Whom an object is about, as its own header tells it: what an identity is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from diana_common.conditions import Header
from diana_common.values import PersonName, parse_age, parse_date

_NAME, _ID, _ISSUER, _BIRTH_DATE, _SEX, _AGE = "00100010", "00100020", "00100021", "00100030", "00100040", "00101010"
_DATES = ("00080020", "00080021", "00080022", "00080023")
"""Study, Series, Acquisition and Content Date: the first that can be read is the reference date."""
_DAYS_A_YEAR = 365.2425


@dataclass(frozen=True, slots=True, repr=False)
class Subject:
    """A person as an object names them; a value that is absent or cannot be read is empty or None.

    `age_years` (whole years) was true on `reference_date`. `sex` is F, M, O or empty. It has no repr: a log or a
    traceback that shows a subject shows nothing.
    """

    patient_id: str
    issuer: str
    name: str
    birth_date: date | None
    age_years: int | None
    reference_date: date | None
    sex: str


def read_subject(header: Header) -> Subject:
    """The subject of one instance by its header."""
    days = parse_age(_text(header, _AGE))
    dates = (parse_date(_text(header, tag)) for tag in _DATES)
    sex = _text(header, _SEX).upper()
    return Subject(
        patient_id=_text(header, _ID),
        issuer=_text(header, _ISSUER),
        name=_name(header),
        birth_date=parse_date(_text(header, _BIRTH_DATE)),
        age_years=None if days is None else int(days / _DAYS_A_YEAR + 1e-9),
        reference_date=next(filter(None, dates), None),
        sex=sex if sex in ("F", "M", "O") else "",
    )


def _values(header: Header, tag: str) -> list[Any]:
    value = header.get(tag, {}).get("Value")
    return value if isinstance(value, list) else []


def _text(header: Header, tag: str) -> str:
    """The value as text. Several values stay one text, so that two people who differ in the second stay two."""
    values = _values(header, tag)
    return "\\".join(value for value in values if isinstance(value, str)).strip()


def _name(header: Header) -> str:
    values = [value for value in _values(header, _NAME) if isinstance(value, dict)]
    return "\\".join(str(PersonName.from_json(value)) for value in values)
