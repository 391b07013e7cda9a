"""Numbers as reports spell them: "12", "12.5", "12 1/2", "12½", "twelve", "forty-five", "one and a half"."""

from __future__ import annotations

import re

from diana_index.core.reports.finding import DASH

_UNITS = (
    "zero",
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: float(number) for number, word in enumerate(_UNITS)}
_VALUES |= {word: 10.0 * number for number, word in enumerate(_TENS, start=2)}
_VALUES |= {"half": 0.5, "quarter": 0.25}
_FRACTIONS = {"\u00bd": 0.5, "\u00bc": 0.25, "\u00be": 0.75, "1/2": 0.5, "1/4": 0.25, "3/4": 0.75}

_FRACTION = r"(?:[\u00bd\u00bc\u00be]|[13]/[24](?![\d/]))"
_DIGITS = rf"(?<![\d./])(?:{_FRACTION}|\d{{1,3}}(?:\.\d{{1,2}}|[\s{DASH}]?{_FRACTION})?(?!\.?\d))"
_SPELLED = rf"(?:(?:{'|'.join(_TENS)})(?:[\s{DASH}](?:{'|'.join(_UNITS[1:10])}))?|{'|'.join(reversed(_UNITS))})"

NUMBER = rf"(?:{_DIGITS}|\b{_SPELLED}(?: and (?:a|one)[\s{DASH}]half)?\b)"
"""A number up to 999, for `pattern`."""


def parse_number(text: str) -> float:
    """The value of what NUMBER matched, and of "half", "half a", "a quarter", "a", "an"."""
    for fraction, value in _FRACTIONS.items():
        if text.endswith(fraction):
            whole = re.match(r"\d*", text.removesuffix(fraction))
            return value + float(whole[0] if whole and whole[0] else 0)
    if text[:1].isdigit():
        return float(text)
    words = re.sub(r"\band\s+(?:a|one)\b|\b(?:a|an|one)\s+(?=half|quarter)", "", text.lower())
    return sum(_VALUES.get(word, 0.0) for word in re.findall(r"[a-z]+", words)) or float(words.strip() in ("a", "an"))
