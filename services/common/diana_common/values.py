"""Values of DICOM elements: person names, dates, times and ages, and the ranges C-FIND matches them with.

Ranges follow PS3.4 C.2.2.2.5. A value of reduced precision stands for all it contains: 2026 is the whole
year, 1030 the whole minute.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

_PARTS = ("Alphabetic", "Ideographic", "Phonetic")
_DATE = re.compile(r"([0-9]{4})[.:-]?([0-9]{2})[.:-]?([0-9]{2})")
_TIME = re.compile(r"([0-9]{2}):?(?:([0-9]{2}):?(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?")
_DATE_TIME = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?)?)?)?([+-][0-9]{4})?"
)
_AGE = re.compile(r"([0-9]{1,3})([DWMY])")
_OFFSET = re.compile(r"[+-][0-9]{4}$")
_DAYS = {"D": 1.0, "W": 7.0, "M": 365.2425 / 12, "Y": 365.2425}


@dataclass(frozen=True, slots=True)
class PersonName:
    """One value of VR PN (PS3.5 6.2): its three component groups, each family^given^middle^prefix^suffix."""

    alphabetic: str = ""
    ideographic: str = ""
    phonetic: str = ""

    @classmethod
    def parse(cls, text: str) -> PersonName:
        """From the form Alphabetic=Ideographic=Phonetic."""
        return cls(*(group.rstrip(" \0") for group in text.split("=", 2)))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PersonName:
        """From a value of DICOM JSON (PS3.18 F.2.2)."""
        return cls(*(str(value.get(part) or "") for part in _PARTS))

    def groups(self) -> tuple[str, ...]:
        """The component groups that are not empty."""
        return tuple(group for group in (self.alphabetic, self.ideographic, self.phonetic) if group)

    def components(self) -> tuple[str, str, str, str, str]:
        """Family, given, middle, prefix and suffix of the alphabetic group, trimmed."""
        parts = [part.strip() for part in self.alphabetic.split("^", 4)]
        family, given, middle, prefix, suffix = parts + [""] * (5 - len(parts))
        return family, given, middle, prefix, suffix

    def __str__(self) -> str:
        return f"{self.alphabetic}={self.ideographic}={self.phonetic}".rstrip("=")


def normalised_text(text: str) -> str:
    """`text` for comparison: case folded, compatibility forms unified, outer spaces gone, inner ones single."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def normalised_name(group: str) -> str:
    """One component group of a person name for comparison: as `normalised_text`, trailing delimiters gone."""
    components = [normalised_text(component) for component in group.split("^")]
    return "^".join(components).rstrip("^")


def parse_date(text: str) -> date | None:
    """A DA value, the retired forms 1996.04.01 and 1996-04-01 too; None if it is no date."""
    match = _DATE.fullmatch(text.strip())
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def parse_time(text: str) -> time | None:
    """A TM value; what it leaves out is zero, a leap second is :59. None if it is no time."""
    span = time_span(text)
    return span[0] if span else None


def time_span(text: str) -> tuple[time, time] | None:
    """The first and last microsecond a TM value stands for; None if it is no time."""
    match = _TIME.fullmatch(text.strip())
    if not match:
        return None
    hour, minute, second, fraction = match.groups()
    try:
        low = time(int(hour), int(minute or 0), _second(second), _micros(fraction, "0"))
        high = time(low.hour, int(minute or 59), _second(second or "59"), _micros(fraction, "9"))
    except ValueError:
        return None
    return low, high


def parse_date_time(text: str, zone: timezone = UTC) -> datetime | None:
    """A DT value; without an offset of its own it is in `zone`. None if it is no date and time."""
    span = date_time_span(text, zone)
    return span[0] if span else None


def date_time_span(text: str, zone: timezone = UTC) -> tuple[datetime, datetime] | None:
    """The first and last microsecond a DT value stands for; None if it is no date and time."""
    match = _DATE_TIME.fullmatch(text.strip())
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        zone = zone_of(offset) if offset else zone
        clock = (int(hour or 0), int(minute or 0), _second(second), _micros(fraction, "0"))
        low = datetime(int(year), int(month or 1), int(day or 1), *clock, tzinfo=zone)
        last = (int(hour or 23), int(minute or 59), _second(second or "59"), _micros(fraction, "9"))
        end_month = int(month or 12)
        end_day = int(day) if day else monthrange(int(year), end_month)[1]
        return low, datetime(int(year), end_month, end_day, *last, tzinfo=zone)
    except ValueError:
        return None


def zone_of(offset: str) -> timezone:
    """The zone of an offset from UTC, written +0100 or -0530. Raises ValueError for what is none."""
    found = offset.strip()
    if not _OFFSET.fullmatch(found):
        raise ValueError("no offset from UTC")
    minutes = int(found[1:3]) * 60 + int(found[3:])
    return timezone(timedelta(minutes=-minutes if found[0] == "-" else minutes))


def split_range(text: str, date_time: bool = False) -> tuple[str, str] | None:
    """The two ends of `A-B`, `-B` or `A-`, an open one empty; None if `text` is a single value.

    In a DT (`date_time`) a hyphen may also start an offset: `2026-0500` is a value, as PS3.4 C.2.2.2.5.3 reads it.
    """
    text = text.strip()
    if not date_time:
        low, hyphen, high = text.partition("-")
        return (low.strip(), high.strip()) if hyphen and "-" not in high and text != "-" else None
    for index in (i for i, character in enumerate(text) if character == "-"):
        low, high = text[:index], text[index + 1 :]
        if (low or high) and all(not end or date_time_span(end) for end in (low, high)):
            if high and not _OFFSET.search(low) and _is_offset(text[index:]):
                continue
            return low, high
    return None


def parse_age(text: str) -> float | None:
    """An AS value in days (a year is 365.2425); None if it is no age."""
    match = _AGE.fullmatch(text.strip().upper())
    return int(match.group(1)) * _DAYS[match.group(2)] if match else None


def _second(text: str | None) -> int:
    return min(int(text or 0), 59) if int(text or 0) <= 60 else int(text or 0)


def _micros(fraction: str | None, fill: str) -> int:
    return int((fraction or "").ljust(6, fill))


def _is_offset(text: str) -> bool:
    """Whether `-HHMM` is an offset from UTC (-1200 to +1400) and nothing else."""
    return bool(_OFFSET.fullmatch(text)) and int(text[1:3]) <= 14 and int(text[3:]) < 60
