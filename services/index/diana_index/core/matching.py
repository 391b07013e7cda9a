"""C-FIND's matching (PS3.4 section C.2.2.2): from the values of a key to what a record's forms must meet.

Nothing here knows of a database: stores translate a `Condition`, and may not add to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diana_common.errors import invalid_field
from diana_common.uid import is_uid
from diana_common.values import date_time_span, normalised_name, parse_date, split_range, time_span
from diana_index.core.attributes import Attribute
from diana_index.core.forms import NUMBERS, Form, date_form, date_time_form, former, time_form

WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""VRs in whose keys "*" and "?" are wildcards (PS3.4 section C.2.2.2.4)."""

FIRST, LAST = "", "~"
"""Ends of an open range: below and above every form of a date or time."""

_EMPTY_COMPONENTS = re.compile(r"(\^\*?)+$")


@dataclass(frozen=True, slots=True)
class Condition:
    """What one key asks of a record: that any form of the attribute meets any of these."""

    attribute: Attribute
    exact: tuple[Form, ...] = ()
    """Equal to one of them."""
    patterns: tuple[str, ...] = ()
    """Like one of them: "*" is any text, "?" any one character, all else itself."""
    ranges: tuple[tuple[str, str], ...] = ()
    """Between two of them, both included."""


_Part = tuple[str, Form | tuple[str, str]]


def parse_condition(attribute: Attribute, values: Sequence[str], field: str) -> Condition | None:
    """The condition for a key's values; None if it is universal, which even a record without a value meets.

    Raises INVALID_FIELD for a value that its VR does not allow, naming it below the request's `field`.
    """
    parts: dict[str, dict[Form | tuple[str, str], None]] = {"exact": {}, "patterns": {}, "ranges": {}}
    texts = [value.strip(" \0") for value in values]
    if not texts or not all(text.strip("*") for text in texts):
        return None
    for number, text in enumerate(texts):
        for kind, part in _parts(attribute.vr, text, f"{field}.values[{number}]"):
            parts[kind][part] = None
    return Condition(attribute, **{kind: tuple(found) for kind, found in parts.items()})  # type: ignore[arg-type]


def _parts(vr: str, text: str, field: str) -> Iterator[_Part]:
    if vr == "PN":
        return _name(text)
    if vr in ("DA", "TM", "DT"):
        return iter([_date_or_time(vr, text, field)])
    if vr == "UI" and not is_uid(text):
        raise invalid_field(field, "is not a UID (digits and dots; wildcards do not work in UIDs)")
    form = former(vr)(text)
    if form is None:
        raise invalid_field(field, "is not a number" if vr in NUMBERS else "is empty")
    return iter([_wild_or_exact(str(form)) if vr in WILDCARD_VRS else ("exact", form)])


def _wild_or_exact(text: str) -> _Part:
    if "*" in text or "?" in text:
        return "patterns", re.sub(r"\*+", "*", text)
    return "exact", text


def _name(text: str) -> Iterator[_Part]:
    """A name's alternatives: trailing empty components count for nothing, so "DOE^*" matches DOE too."""
    groups = [normalised_name(group) for group in text.split("=", 2)]
    while groups and not groups[-1]:
        groups.pop()
    if len(groups) > 1:
        together = "=".join(group or "*" for group in groups)
        yield _wild_or_exact(together)
        if len(groups) == 2:
            yield _wild_or_exact(together + "=*")
        return
    for group in groups:
        yield _wild_or_exact(group)
        shorter = _EMPTY_COMPONENTS.sub("", group)
        if shorter and shorter != group:
            yield _wild_or_exact(shorter)


def _date_or_time(vr: str, text: str, field: str) -> _Part:
    ends = split_range(text, date_time=vr == "DT")
    if ends is None:
        return "exact", _span(vr, text, field)[0]
    low, high = ends
    return "ranges", (_span(vr, low, field)[0] if low else FIRST, _span(vr, high, field)[1] if high else LAST)


def _span(vr: str, text: str, field: str) -> tuple[str, str]:
    """The first and last form that a date or time stands for."""
    if vr == "DA":
        day = parse_date(text)
        if day:
            return date_form(day), date_form(day)
        raise invalid_field(field, "is not a date (YYYYMMDD) or a range of dates (YYYYMMDD-YYYYMMDD, either end open)")
    if vr == "TM":
        times = time_span(text)
        if times:
            return time_form(times[0]), time_form(times[1])
        raise invalid_field(field, "is not a time (HHMMSS.FFFFFF, the end may be left out) or a range of times")
    moments = date_time_span(text)
    if moments:
        return date_time_form(moments[0]), date_time_form(moments[1])
    raise invalid_field(field, "is not a date and time (YYYYMMDDHHMMSS.FFFFFF&ZZXX) or a range of them")
