"""Dates and times moved by a fixed offset, their precision kept (PS3.15 section E.3.6.2).

A date moves together with its paired time, so that 23:59:30 and a minute later is the next day. Offsets
count in whole seconds; fractions of a second stay as they are.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import lru_cache

from diana_common.tags import keyword_of, tag_of
from diana_common.values import parse_date, parse_date_time, parse_time, split_range


@lru_cache(maxsize=1024)
def time_of(tag: int) -> int | None:
    """The TM attribute paired with a DA attribute: Study Time for Study Date."""
    keyword = keyword_of(tag)
    return tag_of(keyword.replace("Date", "Time")) if "Date" in keyword else None


@lru_cache(maxsize=8192)
def shifted(vr: str, raw: bytes, offset: timedelta, paired: bytes = b"") -> bytes | None:
    """The values of a DA, DT or TM element, moved; None if one cannot be read or leaves the calendar.

    `paired` is the value of a date's paired time; without one a date's day starts at midnight. Remembered: the
    instances of a study share most of theirs.
    """
    texts, times = _values(raw), _values(paired)
    if len(times) != len(texts):
        times = [""] * len(texts)
    moved = [_range(vr, text, clock, offset) for text, clock in zip(texts, times, strict=True)]
    known = [text for text in moved if text is not None]
    return "\\".join(known).encode() if len(known) == len(moved) else None


def _values(raw: bytes) -> list[str]:
    return [text.strip(" \0") for text in raw.decode("latin_1").split("\\")]


def _range(vr: str, text: str, clock: str, offset: timedelta) -> str | None:
    ends = split_range(text, date_time=vr == "DT")
    if ends is None:
        return _one(vr, text, clock, offset)
    low, high = (_one(vr, end, clock, offset) for end in ends)
    return None if low is None or high is None else f"{low}-{high}"


def _one(vr: str, text: str, clock: str, offset: timedelta) -> str | None:
    if not text:
        return text
    try:
        if vr == "DA":
            return _date(text, clock, offset)
        return _time(text, offset) if vr == "TM" else _date_time(text, offset)
    except OverflowError:
        return None


def _date(text: str, clock: str, offset: timedelta) -> str | None:
    day = parse_date(text)
    if day is None:
        return None
    return _digits(datetime.combine(day, parse_time(clock) or time.min) + offset)[:8]


def _time(text: str, offset: timedelta) -> str | None:
    clock = parse_time(text)
    if clock is None:
        return None
    main, dot, fraction = text.replace(":", "").partition(".")
    # Any day will do: only the time of day is written.
    moved = datetime.combine(datetime(2000, 1, 1), clock) + timedelta(seconds=offset.seconds)
    return _digits(moved)[8 : 8 + len(main)] + dot + fraction


def _date_time(text: str, offset: timedelta) -> str | None:
    moment = parse_date_time(text)
    if moment is None:
        return None
    sign = max(text.rfind("+"), text.rfind("-"))
    body, zone = (text[:sign], text[sign:]) if sign > 0 else (text, "")
    main, dot, fraction = body.partition(".")
    return _digits(moment + offset)[: len(main)] + dot + fraction + zone


def _digits(moment: datetime) -> str:
    date_part = f"{moment.year:04}{moment.month:02}{moment.day:02}"
    return f"{date_part}{moment.hour:02}{moment.minute:02}{moment.second:02}"
