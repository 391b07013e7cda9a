"""Which mentions of a score state it, and which only speak of the scale."""

from __future__ import annotations

import re

from diana_index.core.reports.finding import DASH, END, clause_before, is_conditional, pattern

UNIT = pattern(
    rf"[\s{DASH}]{{0,3}}(?:mm|cm|%|percent|days?|weeks?|wks?|months?|mos?|years?|yrs?|images?|views?|o'?clock){END}"
)
"""What makes another number of a score: "BI-RADS: 6 month follow-up"."""

_RANGE = pattern(
    rf"\s{{0,2}}(?:[{DASH}/]|to|through|thru|and|or|and/or|,(?: or| and)?)\s{{0,2}}(?:category )?"
    rf"(?:\d[ABCX]?(?![^\W_.]|\.\d)|(?:higher|above|greater|lower|below|less|worse)\b)"
)
_RULE = pattern(
    r"[\s)\"']{0,3}(?:(?:means?|denotes?|indicates?|implies|refers|requires?|warrants?|should|would|is defined|are)\b"
    r"|(?:sub)?(?:system|scheme|categories|program|protocol|guidelines?|criteria)\b"
    r"|(?:findings|lesions|nodules|masses) (?:are|should|require))"
)
_TAKEN_BACK = pattern(
    r"\b(?:no|not|non|never|cannot be|rather than|instead of|(?:less|greater|more|higher|lower|other) than|at least)"
    r"(?: (?:a|an|as|yet|been|meet|assigned|given|classified|considered|the|acr)){0,4}\s{0,3}$",
    r"\b(?:from|between)(?: (?:a|the|acr)){0,2}\s{0,3}$",
    r"\b(?:prior|previous|previously|formerly|initially|originally|last|old|former)\b[^:\n]{0,40}$",
)
_ENTRY = pattern(
    rf"(?P<named>(?:RADS|RADCAT)[\s:]{{0,2}}(?:category )?|\bcategory )(?P<a>\d[ABCX]?){END}",
    rf"[\n;,.(]\s{{0,4}}(?P<b>\d[ABCX]?)\s{{0,2}}[:={DASH}]",
)
_OTHER_THING = pattern(r"\b(?:right|left|prior|previous|lesion|now|today|current|overall|addendum)")
_DEFINES = re.compile(rf"\s{{0,2}}[:={DASH}(]")
_LEGEND_GAP = 160


def is_statement(text: str, start: int, end: int, *, lists: bool) -> bool:
    """Whether the score in [start, end) is meant: neither range, rule, condition, denial nor history.

    With `lists`, a comma and another score behind it make no range.
    """
    if UNIT.match(text, end) or re.match(r"\.\d", text[end : end + 2]):
        return False
    following = _RANGE.match(text, end)
    if following and not UNIT.match(text, following.end()) and not (lists and re.search(r",|and", following[0])):
        return False
    if _RULE.match(text, end) or is_conditional(text, start):
        return False
    return not _TAKEN_BACK.search(clause_before(text, start))


def legend_end(text: str, value: str, end: int) -> int:
    """Where a legend ends whose first entry, a value like "4A", ends at `end`; 0 if it is no legend.

    A legend's entries count up, each with its meaning: "Category 1: negative. Category 2: benign."
    """
    if not _DEFINES.match(text, end):
        return 0
    entries, named = 1, True
    while entry := _ENTRY.search(text, end, end + _LEGEND_GAP):
        following = (entry["a"] or entry["b"]).upper()
        if not _counts_up(value, following) or _OTHER_THING.search(text, end, entry.start()):
            break
        named = named and "rad" in (entry["named"] or "").lower()
        value, end, entries = following, entry.end(), entries + 1
    return end if entries > 2 or (entries == 2 and not named) else 0


def _counts_up(value: str, following: str) -> bool:
    if value[0] == following[0]:
        return value < following
    return int(following[0]) == int(value[0]) + 1
