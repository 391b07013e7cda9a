"""Matching forms: what a stored value is compared by. Two values that mean the same have the same form.

Text keeps its case and loses outer spaces; person names are folded; dates are YYYYMMDD, times
HHMMSS.FFFFFF, date-times those two in UTC (one without an offset counts as UTC); numbers are numbers. A
value that is not what its VR says, or far longer than that allows, has no form: only a universal key finds its
record. What is no character stands as another: see `folding.comparable`.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

from diana_common.values import PersonName, parse_date, parse_date_time, parse_time
from diana_index.core.folding import comparable, folded_name

Form = str | int | float
"""What is stored and compared. Text compares by code points."""

LARGEST_INTEGER = 2**53
"""Whole numbers beyond are floats: what they are compared as in every database."""

MOST_CHARACTERS = 250
"""Of a form of a VR that allows 64: a value is not what it should be long before, and indexes take no more."""

_LONG = frozenset({"LT", "ST", "UC", "UR", "UT"})
"""VRs of text of any length."""

NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
"""VRs whose forms are numbers."""


def date_form(day: date) -> str:
    """YYYYMMDD."""
    return f"{day.year:04}{day.month:02}{day.day:02}"


def time_form(moment: time) -> str:
    """HHMMSS.FFFFFF."""
    return f"{moment.hour:02}{moment.minute:02}{moment.second:02}.{moment.microsecond:06}"


def date_time_form(moment: datetime) -> str:
    """YYYYMMDDHHMMSS.FFFFFF in UTC; at the ends of the calendar, where UTC would leave it, as written."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        pass
    return date_form(moment.date()) + time_form(moment.time())


def text_form(value: object) -> str | None:
    """Text without outer spaces, composed, safe to encode; None if nothing is left."""
    if not isinstance(value, str):
        value = str(value) if isinstance(value, int | float) else ""
    text = value.strip(" \0")
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return comparable(text) or None


def short_text_form(value: object) -> str | None:
    """As `text_form`; None for what is too long."""
    text = text_form(value)
    return text if text is None or len(text) <= MOST_CHARACTERS else None


def number_form(value: object) -> Form | None:
    """A finite number from one or from its text; None for anything else."""
    if isinstance(value, int) and abs(value) <= LARGEST_INTEGER:
        return int(value)
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        return None  # Python takes more for a number than DICOM
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) <= LARGEST_INTEGER else number


def name_forms(value: object) -> list[Form]:
    """All forms of one person name: each component group, each as plain words, and the groups together."""
    if isinstance(value, str):
        name = PersonName.parse(value)
    elif isinstance(value, dict):
        name = PersonName.from_json(value)
    else:
        return []
    groups = [folded_name(group) for group in (name.alphabetic, name.ideographic, name.phonetic)]
    together = "=".join(groups).rstrip("=")
    forms = [form for group in groups if group for form in (group, plain_name(group))]
    found = dict.fromkeys(forms + ([together] if "=" in together else []))
    return [one for one in found if len(one) <= MOST_CHARACTERS]


def plain_name(group: str) -> str:
    """Family and given name with a space between."""
    return " ".join(part for part in group.split("^")[:2] if part)


@lru_cache(maxsize=4096)
def _date(text: str) -> str | None:
    day = parse_date(text)
    return date_form(day) if day else None


@lru_cache(maxsize=4096)
def _time(text: str) -> str | None:
    moment = parse_time(text)
    return time_form(moment) if moment else None


@lru_cache(maxsize=4096)
def _date_time(text: str) -> str | None:
    moment = parse_date_time(text)
    return date_time_form(moment) if moment else None


def _of_text(form: Callable[[str], str | None]) -> Callable[[object], str | None]:
    return lambda value: form(value) if isinstance(value, str) and len(value) <= 64 else None


_DATES: dict[str, Callable[[object], str | None]] = {
    "DA": _of_text(_date),
    "TM": _of_text(_time),
    "DT": _of_text(_date_time),
}


def former(vr: str) -> Callable[[Any], Form | None]:
    """The function that gives a single value of a VR other than PN its form, or None."""
    if vr in NUMBERS:
        return number_form
    return _DATES.get(vr, text_form if vr in _LONG else short_text_form)
