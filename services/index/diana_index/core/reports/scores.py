"""The scores of RADCAT, BI-RADS and Lung-RADS.

From a scale's name the words are read one by one: those that belong to the naming ("assessment category",
"v2022", "left breast") are passed over, a value ends the search, any other word gives it up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from diana_index.core.reports.finding import DASH, END, Finding, is_conditional, mentions, pattern
from diana_index.core.reports.statements import UNIT, is_statement, legend_end

_MAX_WORDS = 12
_MAX_SIGNS = 48
_ROMAN = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5", "VI": "6"}
_CATEGORY = re.compile(r"cat|class|grade|score", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Scale:
    name: str
    spelled: re.Pattern[str]
    value: re.Pattern[str]
    """Its groups: the number, its letter, its modifiers."""
    another: re.Pattern[str] | None
    """What may stand between a value and another one without the scale's name."""
    lists: bool = False
    """Whether a report may have several values side by side."""


def _letter(letters: str) -> str:
    """A letter of category 4: "4A", "4-A", "4(a)", "4 A." but not "4 a mass"."""
    return rf"(?:(?<=4)(?:[{DASH}]?|\s?\()([{letters}])\)?|(?<=4) ([{letters}])(?=\s?[.,;:)\n]|$))?"


_RADCAT = _Scale(
    "radcat",
    pattern(rf"(?<![^\W_])RAD[\s{DASH}]?CAT(?![a-qs-z]|r[a-z])"),
    pattern(rf"R?([1-5]|IV|V|I{{1,3}})()(){END}"),
    pattern(r"\s?(?:, and|,|and|&)\s?"),
    lists=True,
)
_BI_RADS = _Scale(
    "bi_rads",
    pattern(rf"(?<![^\W_])BI[\s{DASH}]{{0,2}}RADS?(?![a-hj-uw-z])"),
    pattern(rf"([0-6]|VI|IV|V|I{{1,3}}){_letter('ABC')}(){END}"),
    pattern(
        rf"[^\n\d]{{0,40}}?\b(?:right|left)(?: breast)?(?:\s?[:={DASH}]\s?| is | category | BI-?RADS )(?:category )?"
    ),
)
_LUNG_RADS = _Scale(
    "lung_rads",
    pattern(rf"(?<![^\W_])lung[\s{DASH}]{{0,2}}RADS?(?![a-hj-uw-z])"),
    pattern(rf"([0-4]|IV|I{{1,3}}){_letter('ABX')}(?:[\s{DASH}/]?([SC]{{1,2}})(?=[\s.,;:)]|$))?{END}"),
    None,
)

_FILLER = pattern(
    rf"\((?:R|TM)\)|[\s:=,()\[\]#*\"'._\u00ae\u2122{DASH}]|v(?:er|ersion)?\.?\s?\d{{1,4}}(?:\.\d)?(?![\d.])",
    r"\d\.\d(?!\d)|20[12]\d(?!\d)|\d(?:st|nd|rd|th)\b",
    r"(?:categor(?:y|ization)|cat|class(?:ification)?|assessment|score|grade|code|final|overall|impression|value|result"
    r"|rating|atlas|edition|acr|is|was|of|for|a|as|the|this|exam(?:ination)?|study|assigned|given|right|left|bilateral|both"
    rf"|breasts?|side|screening|mammogram|mammography|ultrasound|mri){END}",
)
_CATEGORY_LATER = pattern(r"[^\d\n]{1,80}?(?<!for)(?<!\bif)(?<!\bin)(?<!\bof) category[\s:]{1,3}(?=\d)")
_BEFORE_NAME = pattern(rf"\bcat(?:egory|\.)?[\s{DASH}]?([0-6][ABC]?)[\s,]{{0,2}}\(?(?:(?:per|ACR) ){{0,2}}$")


def radcat(text: str) -> Iterator[Finding]:
    """RADCAT categories, 1 to 5; a report may have several."""
    return _scores(text, _RADCAT)


def bi_rads(text: str) -> Iterator[Finding]:
    """BI-RADS assessment categories, 0 to 6; breast density is another scale and not taken."""
    return _scores(text, _BI_RADS)


def lung_rads(text: str) -> Iterator[Finding]:
    """Lung-RADS categories, 0 to 4, with the modifiers S and C behind: "2S", "4AS"."""
    return _scores(text, _LUNG_RADS)


def _scores(text: str, scale: _Scale) -> Iterator[Finding]:
    passed = 0
    for name in mentions(scale.spelled, text):
        if name.start() < passed:
            continue
        value = _value_after(text, name.end(), scale) or _category_after(text, name.end(), scale)
        if value is None:
            yield from _value_before(text, name, scale)
            continue
        passed = legend_end(text, _category(value), value.end())
        if not passed and is_statement(text, name.start(), value.end(), lists=scale.lists):
            yield _finding(scale, name.start(), value)
            yield from _another(text, value, scale)


def _value_after(text: str, position: int, scale: _Scale) -> re.Match[str] | None:
    """The value that belongs to a name which ends at `position`."""
    words = signs = 0
    is_category = False
    while words < _MAX_WORDS and signs < _MAX_SIGNS:
        filler, value = _FILLER.match(text, position), scale.value.match(text, position)
        if value and not (filler and filler.end() > value.end()):
            return None if _is_doubtful(text, value, is_category) else value
        if filler is None:
            return None
        is_category = is_category or _CATEGORY.match(filler[0]) is not None
        words, signs = words + filler[0][0].isalnum(), signs + 1
        position = filler.end()
    return None


def _category_after(text: str, position: int, scale: _Scale) -> re.Match[str] | None:
    """The value of "Lung-RADS was applied: category 2", where other words come between."""
    between = _CATEGORY_LATER.match(text, position) if scale is _LUNG_RADS else None
    value = scale.value.match(text, between.end()) if between else None
    return value if value and not is_conditional(text, value.start()) else None


def _is_doubtful(text: str, value: re.Match[str], is_category: bool) -> bool:
    """Whether Roman letters may be none: in small letters, or "I" with more words behind it."""
    if value[1].isdigit():
        return False
    ended = re.match(r"\s?(?:[.,;:)]|$)", text[value.end() : value.end() + 2])
    return not value[1].isupper() or (value[1] == "I" and not is_category and ended is None)


def _value_before(text: str, name: re.Match[str], scale: _Scale) -> Iterator[Finding]:
    """From "Category 4A (BI-RADS)"."""
    before = _BEFORE_NAME.search(text[max(0, name.start() - 40) : name.start()]) if scale is _BI_RADS else None
    value = scale.value.fullmatch(before[1]) if before else None
    if before and value and not is_conditional(text, name.start() - len(before[0])):
        yield Finding(scale.name, _category(value), float(value[1]), name.start() - len(before[0]), name.end())


def _another(text: str, value: re.Match[str], scale: _Scale) -> Iterator[Finding]:
    """Of the other breast, or further ones of a list."""
    between = scale.another.match(text, value.end()) if scale.another else None
    further = scale.value.match(text, between.end()) if between else None
    if further and further[1].isdigit() and not UNIT.match(text, further.end()):
        yield _finding(scale, further.start(), further)


def _finding(scale: _Scale, start: int, value: re.Match[str]) -> Finding:
    category = _category(value)
    return Finding(scale.name, category, float(category[0]), start, value.end())


def _category(value: re.Match[str]) -> str:
    number, *letters, modifiers = (group or "" for group in value.groups())
    number = _ROMAN.get(number.upper(), number)
    return (number + "".join(letters) + "".join(sorted(set(modifiers), reverse=True))).upper()
