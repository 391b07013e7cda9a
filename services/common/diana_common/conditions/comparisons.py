"""How a value in a header is compared with one in a condition, by VR.

The meanings are those of the index's filters (docs/queries.md): texts match as in C-FIND, "*" and "?" being wildcards,
names in any case; numbers compare as numbers; a date or time stands for all that it leaves open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from diana_common.dicomjson import texts
from diana_common.filters import Comparator
from diana_common.uid import is_uid, stripped
from diana_common.values import PersonName, date_time_span, normalised_name, normalised_text, parse_date, time_span

NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
TEMPORAL = frozenset({"DA", "DT", "TM"})
TEXTS = frozenset({"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UN", "UR", "UT"})
"""UN is a private attribute's, whose VR only its object knows."""

_LONGEST = 256
"""Characters of a value: what a pattern costs grows with them and with a header's text."""

Element = Mapping[str, Any]
"""An element of DICOM JSON: `vr`, and `Value` if it has any."""

Moment = datetime | time


class BadComparison(Exception):
    """A condition's value or comparator does not fit the attribute; the message says what would."""


@dataclass(frozen=True, slots=True)
class HasValue:
    """Whether there is any value."""

    def __call__(self, element: Element) -> bool:
        return bool(element.get("InlineBinary") or element.get("BulkDataURI")) or any(
            value not in (None, "") for value in element.get("Value") or ()
        )


@dataclass(frozen=True, slots=True)
class Like:
    """Whether one of the texts is like a pattern, the whole of it or (`within`) a part of it."""

    vr: str
    pattern: str
    within: bool

    def __call__(self, element: Element) -> bool:
        folded = self.within or self.vr == "PN"
        found = _values(element)
        return any(matches(text, self.pattern) for value in found for text in _forms(value, self.vr, folded))


@dataclass(frozen=True, slots=True)
class Between:
    """Whether one of the values, numbers or moments, compares like this with what stands for `first` to `last`."""

    vr: str
    comparator: Comparator
    first: Any
    last: Any

    def __call__(self, element: Element) -> bool:
        return any(self._holds(value) for value in map(self._read, _values(element)) if value is not None)

    def _read(self, text: str) -> Any:
        found = span(self.vr, text)
        return None if found is None else found[0]

    def _holds(self, value: Any) -> bool:
        match self.comparator:
            case Comparator.LESS:
                return bool(value < self.first)
            case Comparator.LESS_EQUALS:
                return bool(value <= self.last)
            case Comparator.GREATER:
                return bool(value > self.last)
            case Comparator.GREATER_EQUALS:
                return bool(value >= self.first)
        return bool(self.first <= value <= self.last)


Test = HasValue | Like | Between


def make_test(vr: str, comparator: Comparator, text: str) -> Test:
    """The test for one comparison that is neither "!=" nor with an empty text. Raises BadComparison."""
    text = text.strip()
    if len(text) > _LONGEST:
        raise BadComparison(f"a value may have {_LONGEST} characters at most")
    if text.strip("*") == "" and comparator in (Comparator.EQUALS, Comparator.HAS):
        return HasValue()
    if vr in NUMBERS or vr in TEMPORAL:
        found = span(vr, text)
        if found is None:
            raise BadComparison("expected a number" if vr in NUMBERS else f"expected a value of VR {vr}, as 20260131")
        return Between(vr, comparator, *found)
    if vr not in TEXTS:
        raise BadComparison(f'an attribute of VR {vr} is only there or not: write ":*" behind its name')
    if comparator not in (Comparator.EQUALS, Comparator.HAS):
        raise BadComparison("a text has no order; use =, != or :")
    if vr == "UI" and not is_uid(text):
        raise BadComparison("expected a UID")
    if comparator is Comparator.HAS and vr != "UI":
        return Like(vr, f"*{_folded(text, vr)}*", within=True)
    return Like(vr, _folded(text, vr) if vr == "PN" else text, within=False)


def span(vr: str, text: str) -> tuple[Any, Any] | None:
    """The first and last value that a text stands for; None if the VR does not allow it."""
    if vr == "TM":
        return time_span(text)
    if vr == "DT":
        return date_time_span(text)
    if vr == "DA":
        return _days(text)
    try:
        number = float(text)
    except ValueError:
        return None
    return (number, number) if math.isfinite(number) else None


def _days(text: str) -> tuple[date, date] | None:
    day = parse_date(text)
    if day:
        return day, day
    found = date_time_span(text) if len(text) in (4, 6) else None
    return found and (found[0].date(), found[1].date())


def matches(text: str, pattern: str) -> bool:
    """Whether a text is like a pattern: "*" is any text, "?" one character. Time grows with the two lengths only."""
    at = place = 0
    star, resume = -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, resume = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return not pattern[place:].strip("*")


def _values(element: Element) -> Iterator[str]:
    yield from (stripped(text).strip() for text in texts({"0": element}, "0"))


def _forms(text: str, vr: str, folded: bool) -> Iterator[str]:
    """The texts of one value that a pattern may match: of a name, each of its component groups."""
    if vr == "PN":
        yield from (normalised_name(group) for group in PersonName.parse(text).groups())
    elif text:
        yield normalised_text(text) if folded else text


def _folded(text: str, vr: str) -> str:
    return normalised_name(text) if vr == "PN" else normalised_text(text)
