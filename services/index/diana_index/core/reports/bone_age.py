"""Bone age, in months."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diana_index.core.reports.finding import DASH, END, Finding, clause_before, mentions, pattern, plain_number
from diana_index.core.reports.numbers import NUMBER, parse_number

OLDEST = 300.0
"""Months beyond which an age is no bone age; atlases end at 19 years."""

_REACH = 200
"""Characters from the keyword within which the age begins."""

_LONGEST = 60
_JOIN = rf"\s{{0,2}}(?:,|and|&|[{DASH}])?\s{{0,2}}"
_YEARS = rf"\+?[\s{DASH}]{{0,2}}(?:years?|yrs?|y(?:/?o)?)(?![a-z])"
_MONTHS = rf"[\s{DASH}]{{0,2}}(?:months?|mos?){END}"
_TWELFTHS = rf"(?<![\d./])\d{{1,2}}[\s{DASH}]\d{{1,2}}/12{_YEARS}"
_AGE = rf"(?:{_TWELFTHS}|{NUMBER}{_YEARS}(?:{_JOIN}{NUMBER}(?:{_MONTHS}|\s?m\b))?|{NUMBER}{_MONTHS})"
_TO = rf"\s{{0,2}}(?:[{DASH}]|to|and|or)\s{{0,2}}"
_AGES = pattern(rf"(?:(?P<low>{NUMBER}){_TO})?(?P<age>{_AGE})(?:{_TO}(?P<high>{_AGE}))?")
_PARTS = pattern(rf"({NUMBER})(?:{_YEARS}(?:{_JOIN}({NUMBER})\D{{0,8}})?|({_MONTHS}))")
_IN_MONTHS = pattern(rf"{NUMBER}{_MONTHS}")

_NAMED = r"\b(?:bone|skeletal|osseous) (?:age|maturation|maturity)s?\b"
_KEYWORD = pattern(_NAMED)
_STOP = pattern(
    _NAMED,
    r"chronolog|standard deviation|\bs\.?d\.?\b|patient is|patient'?s (?:stated|actual)|\bborn\b|birth|\bDOB\b",
    r"\bmean\b|normal range|\bprior\b|\bprevious|\bif\b|\b(?:delayed|advanced|retarded|differs|lags|ahead|behind) by\b",
    r"\n\s{0,8}(?:clinical|history|indication|comparison|technique|reason|age|sex)\b",
    r"\b(?:history|indication|comparison)\s?:",
)
_DIFFERENCE_AFTER = pattern(
    rf"[\s,{DASH}]{{0,2}}(?:delay|behind|ahead|advanced|above|below|older|younger|less|greater|more|difference"
    r"|discrepan|prior|ago|chronolog|later|earlier|follow|interval|of growth)"
)
_DIFFERENCE_BEFORE = pattern(
    r"(?:\b(?:by|within|every|in|difference of|plus or minus)|\u00b1|\+/?-)\s{0,2}(?:an?)?\s{0,2}$"
)
_OLD = pattern(rf"[\s{DASH}]{{0,2}}(?:old|(?:male|female|boy|girl)s?\b)")
_LIKENED = pattern(
    r"correspond|match|that of|equivalent|consistent|similar|standard|compatible|closest|approximat|resembl"
)


def bone_ages(text: str) -> Iterator[Finding]:
    """Bone ages, each from the keyword to the age; the middle of a range ("between 11 and 12 years" is 138).

    The patient's age, differences from it and standard deviations are no bone ages.
    """
    for keyword in mentions(_KEYWORD, text):
        reach = min(keyword.end() + _REACH, len(text))
        barrier = _STOP.search(text, keyword.end(), reach)
        found = _first_age(text, keyword.end(), barrier.start() if barrier else reach)
        if found and found[0] <= OLDEST and "if" not in clause_before(text, keyword.start()).lower().split():
            yield Finding("bone_age", plain_number(found[0]), round(found[0], 2), keyword.start(), found[1])


def _first_age(text: str, start: int, stop: int) -> tuple[float, int] | None:
    """Months and the end of the first age whose number begins in [start, stop)."""
    for match in _AGES.finditer(text, start, stop + _LONGEST):
        if match.start() >= stop:
            return None
        if not _is_other_age(text[start : match.start()], text[match.end() : match.end() + _LONGEST]):
            return _middle(match), match.end()
    return None


def _is_other_age(before: str, after: str) -> bool:
    """Whether it is a difference of ages, or how old the patient is."""
    if _DIFFERENCE_AFTER.match(after) or _DIFFERENCE_BEFORE.search(before):
        return True
    return _OLD.match(after) is not None and not _LIKENED.search(before)


def _middle(match: re.Match[str]) -> float:
    """Months, the middle of a range; its lower end may leave the unit to the upper one."""
    ages = [_months(match[group]) for group in ("age", "high") if match[group]]
    if match["low"]:
        ages.append(parse_number(match["low"]) * (1 if _IN_MONTHS.match(match["age"]) else 12))
    return sum(ages) / len(ages)


def _months(age: str) -> float:
    twelfths = re.match(r"(\d+)\D(\d+)/12", age)
    if twelfths:
        return 12.0 * int(twelfths[1]) + int(twelfths[2])
    parts = _PARTS.fullmatch(age)
    if parts is None:
        raise ValueError("is no age")
    number = parse_number(parts[1])
    return number if parts[3] else number * 12 + (parse_number(parts[2]) if parts[2] else 0)
