"""Attribute matching (PS3.4 section C.2.2.2) of data sets that we hold ourselves. Data sets are DICOM JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import time

from diana_common.dicomjson import DataSetJson, items, texts
from diana_common.errors import DianaError, invalid_field
from diana_common.values import (
    PersonName,
    date_time_span,
    normalised_name,
    parse_date,
    split_range,
    time_span,
)
from diana_dimse.core.queries.identifiers import Key

Matcher = Callable[[DataSetJson], bool]
"""Whether a data set, or an item of a sequence, meets what was asked for."""

_IsMet = Callable[[str], bool]

_NO_VALUE = '""'
_WILDCARD_VRS = frozenset(("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"))
_NUMBERS = frozenset(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"))
_NAME_COMPONENTS = 5
_STEP_START = ("00400002", "00400003")
"""Scheduled Procedure Step Start Date and Time, of which two ranges mean one (PS3.4 Table K.6-1)."""


def matcher(keys: Iterable[Key]) -> Matcher:
    """What meets all of the keys. Raises DianaError INVALID_FIELD for a value that its VR cannot have."""
    wanted = {key.tag: key for key in keys}
    parts = []
    if span := _step_start(wanted):
        parts.append(span)
        wanted = {tag: key for tag, key in wanted.items() if tag not in _STEP_START}
    parts += [_key_matcher(key) for key in wanted.values()]
    return lambda data_set: all(part(data_set) for part in parts)


def _key_matcher(key: Key) -> Matcher:
    if key.item:
        inner = matcher(key.item)
        return lambda data_set: any(inner(item) for item in items(data_set, key.tag))
    takes_none = any(value.strip() == _NO_VALUE for value in key.values)
    tests = [_test(key, value.strip()) for value in key.values if value.strip() != _NO_VALUE]

    def is_met(data_set: DataSetJson) -> bool:
        found = _values(data_set, key.tag)
        return any(test(value) for value in found for test in tests) if found else takes_none

    return is_met


def _values(data_set: DataSetJson, tag: str) -> list[str]:
    return [text.strip() for text in texts(data_set, tag) if text.strip()]


def _test(key: Key, wanted: str) -> _IsMet:
    """What one of a record's values must be."""
    if key.vr == "PN":
        return _name_test(wanted)
    if key.vr in ("DA", "TM", "DT"):
        low, high = _ends(key, wanted)
        return lambda value: (moment := _moment(key.vr, value)) is not None and low <= moment <= high
    if key.vr in _NUMBERS:
        number = _number(wanted)
        return lambda value: value == wanted or (number is not None and _number(value) == number)
    if key.vr in _WILDCARD_VRS and re.search(r"[*?]", wanted):
        pattern = _pattern(wanted)
        return lambda value: pattern.fullmatch(value) is not None
    return lambda value: value == wanted


def _pattern(wanted: str) -> re.Pattern[str]:
    """`*` for any characters, `?` for one. What a `*` took is never looked at again, so that no pattern takes long."""
    first, *rest = (re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", wanted))
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last, re.DOTALL)


def _name_test(wanted: str) -> _IsMet:
    """Any case; without "=" any of the component groups may match, with it each its own."""
    patterns = [_pattern(normalised_name(group)) if group.strip() else None for group in wanted.split("=", 2)]
    if len(patterns) == 1 and (only := patterns[0]):
        return lambda value: any(_is_name(only, group) for group in PersonName.parse(value).groups())

    def is_met(value: str) -> bool:
        name = PersonName.parse(value)
        groups = (name.alphabetic, name.ideographic, name.phonetic)
        return all(pattern is None or _is_name(pattern, group) for pattern, group in zip(patterns, groups))

    return is_met


def _is_name(pattern: re.Pattern[str], group: str) -> bool:
    """Components that are left out at the end are as good as empty ones."""
    name = normalised_name(group)
    missing = _NAME_COMPONENTS - 1 - name.count("^")
    return bool(pattern.fullmatch(name) or pattern.fullmatch(name + "^" * missing))


def _moment(vr: str, text: str) -> float | None:
    """A date, a time or both as a number to be compared; None for what is neither."""
    span = _span(vr, text)
    return span[0] if span else None


def _span(vr: str, text: str) -> tuple[float, float] | None:
    """The first and the last moment that a value stands for."""
    if vr == "DA":
        day = parse_date(text)
        return (day.toordinal(), day.toordinal()) if day else None
    if vr == "TM":
        found = time_span(text)
        return (_of_day(found[0]), _of_day(found[1])) if found else None
    both = date_time_span(text)
    return (both[0].timestamp(), both[1].timestamp()) if both else None


def _of_day(moment: time) -> float:
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1e6 + moment.microsecond


def _ends(key: Key, wanted: str) -> tuple[float, float]:
    """The first and the last moment of a value or a range; an open end is infinite."""
    single = _span(key.vr, wanted)
    ends = None if single else split_range(wanted, key.vr == "DT")
    if single:
        return single
    if ends is None or not any(ends):
        raise _invalid(key)
    low, high = (_span(key.vr, end) if end else (float("-inf"), float("inf")) for end in ends)
    if low is None or high is None:
        raise _invalid(key)
    return low[0], high[1]


def _invalid(key: Key) -> DianaError:
    return invalid_field(key.tag, "is neither a value of its VR nor a range of such")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _step_start(wanted: dict[str, Key]) -> Matcher | None:
    """From the first date's first time to the last date's last, where both are ranges."""
    keys = [wanted.get(tag) for tag in _STEP_START]
    if not all(key and len(key.values) == 1 and split_range(key.values[0]) for key in keys):
        return None
    ranges = [(_ends(key, key.values[0].strip())) for key in keys if key]
    low, high = ((ranges[0][end], ranges[1][end]) for end in (0, 1))

    def is_met(data_set: DataSetJson) -> bool:
        day, moment = (_values(data_set, tag) for tag in _STEP_START)
        at = _moment("DA", day[0]) if day else None
        if at is None:
            return False
        return low <= (at, (_moment("TM", moment[0]) if moment else None) or 0.0) <= high

    return is_met
