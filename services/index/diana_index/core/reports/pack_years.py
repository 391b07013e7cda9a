"""How much a patient smoked: pack-years, stated or computed from packs a day and years."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diana_index.core.reports.finding import (
    DASH,
    END,
    Finding,
    clause_before,
    is_conditional,
    mentions,
    pattern,
    plain_number,
)
from diana_index.core.reports.numbers import NUMBER, parse_number

MOST = 300.0
"""Pack-years beyond which a number is something else: four packs a day for 75 years."""

_CIGARETTES_A_PACK = 20.0
_AMOUNT = rf"(?P<low>{NUMBER})\+?(?:\s{{0,2}}(?:[{DASH}]|to)\s{{0,2}}(?P<high>{NUMBER})\+?)?"
_PACK_YEARS = rf"(?:pack|pk)s?(?:[\s{DASH}/]{{0,3}}| per )y(?:ea)?rs?{END}"
_ABOUT = (
    r"(?:(?:about|approximately|approx\.?|around|roughly|over|more than|at least|nearly|almost|the (?:past|last)"
    r"|a total of|~|>|,)\s{0,4}){0,3}"
)
_DAY = r"(?:\s?/\s?(?:day|d)\b| (?:per|a|each|every) day\b| daily\b)"
_RATE = (
    rf"(?:(?P<word>\b(?:(?:(?:one|a)[\s{DASH}])?(?:half|quarter)|an?))(?: of)?(?: an?)? |{_AMOUNT}\s{{0,2}})"
    rf"(?:(?:packs?|pks?)(?: of cigarettes)?{_DAY}|ppd\b|(?P<cigarettes>cig(?:arette)?s?{_DAY}))"
)
_YEARS = rf"(?P<years>{NUMBER})\+?[\s{DASH}]{{0,2}}(?:years?|yrs?|y){END}"

_STATED = pattern(
    rf"{_AMOUNT}(?: (?:plus|total|cigarette|tobacco|smoking)){{0,2}}[\s{DASH}]{{0,3}}(?:{_PACK_YEARS}|(?-i:PY){END})"
)
_STATED_AFTER = pattern(
    rf"\b{_PACK_YEARS}(?: (?:of|smoking|tobacco|cigarette|history|total)){{0,4}}\)?\s?(?:[:=]|\b(?:is|of|was)\b)\s?"
    rf"{_ABOUT}{_AMOUNT}{END}(?!\s?(?:packs?|ppd|cig))"
)
_RATE_FOR_YEARS = pattern(
    rf"{_RATE}(?: (?:of cigarettes|smoker|smoking history))?[\s,(]{{0,3}}(?:x|\u00d7|\*|for|times|over|during)\s{{0,2}}"
    rf"{_ABOUT}{_YEARS}(?! ago)"
)
_YEARS_OF_RATE = pattern(rf"{_YEARS}(?: history)? (?:of|at|x|\u00d7) (?:smoking )?{_ABOUT}{_RATE}")
_ALL = (_STATED, _STATED_AFTER, _RATE_FOR_YEARS, _YEARS_OF_RATE)

_SPOKEN_OF = re.compile("pack|pk|ppd|py|cig", re.IGNORECASE)
"""Without any of these there is no statement: most reports need no closer look."""

_LIMIT_BEFORE = pattern(
    r"(?:\b(?:not|no|less than|fewer than|threshold|minimum)(?: of)?|[<\u2264\u2265])\s?(?:a|an)?\s?$"
)
_LIMIT_AFTER = pattern(r" (?:or (?:more|greater)|minimum|threshold|criteri)")


def pack_years(text: str) -> Iterator[Finding]:
    """Pack-years, the middle of a range; a computed one is found like a stated one."""
    if not _SPOKEN_OF.search(text):
        return
    for one in _ALL:
        for match in mentions(one, text):
            amount = _amount(match.groupdict())
            if amount <= MOST and not _is_limit(text, match):
                yield Finding("pack_years", plain_number(amount), round(amount, 2), match.start(), match.end())


def _amount(groups: dict[str, str | None]) -> float:
    spelled = [groups.get(name) for name in ("word", "low", "high")]
    amounts = [parse_number(one) for one in spelled if one]
    amount = sum(amounts) / len(amounts)
    if groups.get("cigarettes"):
        amount /= _CIGARETTES_A_PACK
    years = groups.get("years")
    return amount * parse_number(years) if years else amount


def _is_limit(text: str, match: re.Match[str]) -> bool:
    """Whether it says what qualifies, not what the patient smoked."""
    if is_conditional(text, match.start()) or _LIMIT_AFTER.match(text, match.end()):
        return True
    return _LIMIT_BEFORE.search(clause_before(text, match.start())) is not None
