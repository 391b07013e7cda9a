"""Whether a patient smokes, used to, or never did."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diana_index.core.reports.finding import DASH, Finding, clause_before, is_conditional, mentions, pattern

_TOBACCO = r"(?:tobacco|smoking|cigarettes?|nicotine)"
_USE = rf"{_TOBACCO}(?: (?:use|abuse|history|exposure|products?|consumption|smoking)){{0,2}}"
_FIELD = rf"\b(?:{_USE}|smoker)(?: (?:status|history))?\s?[:={DASH}]\s?"
_KIND = (
    rf"(?:(?:a|an|the|heavy|light|(?:every|some)[\s{DASH}]day|daily|social|active|cigarette|tobacco|chronic|lifelong"
    rf"|long[\s{DASH}]time) ){{0,3}}"
)
_NON_SMOKER = rf"\bnon[\s{DASH}]?smok(?:er|ing)\b"
_SINCE = r"(?: (?:since|for|x|\u00d7)\b)"

_NEVER = (
    rf"\bnever[\s{DASH}](?:(?:a|an|been|having|used|tobacco|cigarette|regularly|active) ){{0,3}}smok(?:er|ed|ing|e)\b",
    r"\bnever (?:used )?(?:tobacco|cigarettes)\b",
    rf"{_NON_SMOKER}(?!{_SINCE})",
    (
        r"\bno (?:(?:known|prior|personal|significant|reported|documented|current or prior|past) ){0,3}(?:history of )?"
        rf"(?:any )?{_USE}\b(?! (?:since|for|in|cessation|status|information|data))"
    ),
    rf"\b(?:denies|denied) (?:(?:any|ever|a|history of|prior|use of|using|personal) ){{0,3}}{_USE}\b",
    r"\b(?:does not|doesn't|do not) (?:smoke|use (?:tobacco|cigarettes))\b(?! (?:any ?more|now|currently))",
    r"\b(?:is|was) not a smoker\b",
    rf"{_FIELD}(?:never|none|no|negative|denie[sd])\b",
)
_FORMER = (
    rf"\b(?:former|ex|previous|prior|past|reformed|remote)[\s{DASH}]{{1,2}}{_KIND}smok(?:er|ing)\b",
    rf"\b(?:formerly|previously|used to|once) (?:smoked?|smoking|{_TOBACCO})\b",
    rf"\b(?:quit|stopped|discontinued|ceased|gave up) {_TOBACCO}\b(?! (?:is|was advised|program|line|counsel))",
    r"\bquit date\b|\byears? since (?:quitting|smoking cessation|cessation)\b",
    r"\bno longer (?:smok(?:es|ing)|a smoker|uses tobacco)\b",
    r"\b(?:ha(?:s|ve) not|hasn't) smoked (?:since|in|for)\b",
    rf"{_NON_SMOKER}{_SINCE}",
    r"\bsmoked\b[^.;\n]{0,60}\b(?:until|quit|stopped|ago)\b",
    (
        r"\b(?:smok\w{1,3}|packs?|ppd|years?|yrs?|tobacco|cigarettes?)\b[^.\n]{0,40}[\s,;(]quit(?:ting)?[\s:]{1,4}"
        r"(?:(?:in|since|at|over|about|around|approximately|[~>])\s{0,4}){0,2}(?:\d{1,4}|[a-z]{3,9} (?:year|month|\d))"
    ),
    rf"{_FIELD}(?:former|quit|previous|ex)\b",
)
_CURRENT = (
    rf"\bcurrent(?:ly)? (?:is )?{_KIND}smok(?:er|es|ing|e)\b",
    r"\b(?:actively|still|presently) (?:smok(?:es|ing|e)|uses tobacco)\b",
    r"\bactive (?:\w{1,10} )?smok(?:er|ing)\b",
    r"\b(?:continues|continued) (?:to smoke|smoking|tobacco use)\b",
    rf"\b(?:current|ongoing|active|continued|daily) {_TOBACCO} (?:use|abuse|smoking|smoker|user)\b",
    rf"\bcurrently uses? {_TOBACCO}\b",
    rf"\bsmokes\b|(?<![\w{DASH}])smoker[\s,;:(]{{1,4}}(?=[\d~>])",
    rf"\b(?:patient|is|years?[\s{DASH}]old|\d?yo|male|female|man|woman|heavy|daily|chronic|lifelong) {_KIND}smoker\b",
    rf"{_FIELD}(?:yes|current|active|every day|daily|positive)\b",
)
_STATEMENT = pattern(
    f"(?P<never>{'|'.join(_NEVER)})", f"(?P<former>{'|'.join(_FORMER)})", f"(?P<current>{'|'.join(_CURRENT)})"
)

_SPOKEN_OF = re.compile("smok|tobacco|cigar|nicotine|quit", re.IGNORECASE)
"""Without any of these there is no statement: most reports need no closer look."""

_OTHERS = pattern(
    r"\b(?:father|mother|husband|wife|spouse|parents?|brother|sister|sibling|son|daughter|household|family|partner)\b",
    rf"\b(?:roommate|caregiver|second[\s{DASH}]?hand|passive)\b",
)
_ADVISED = pattern(
    r"\b(?:to|cannot|please|must|should|recommend(?:ed)?|advise[ds]?|encourage[ds]?|considering)"
    r"(?: (?:help|completely|be|successfully|and|or|reduce|stop)){0,3}\s?$"
)
_DENIED = pattern(
    r"(?:\b(?:not|no|denies|denied|nor|never|neither|non)|n't)(?: (?:an?|any|being|is|been|yet|completely)){0,2}[\s-]?$"
)
_EITHER = pattern(r"\b(?:current|former|past|ex|never|active)\s?(?:/|or|and/or|versus|vs\.?)\s?$")
_OR_OTHER = pattern(r"\s?(?:/|or|and/or)\s?(?:former|current|ex|past|never|non)\b")
_OTHER_SMOKE = pattern(r" (?:marijuana|cannabis|pot|weed|crack|hookah|vape|households?|exposure|area|environment)\b")


def smoking(text: str) -> Iterator[Finding]:
    """The statements "current", "former" and "never"."""
    if not _SPOKEN_OF.search(text):
        return
    for match in mentions(_STATEMENT, text):
        status = match.lastgroup
        if status and not _is_taken_back(text, match, status):
            yield Finding("smoking", status, None, match.start(), match.end())


def _is_taken_back(text: str, match: re.Match[str], status: str) -> bool:
    """Whether it is a condition, an alternative, advice, of somebody or something else, or denied."""
    before = clause_before(text, match.start())
    if _OR_OTHER.match(text, match.end()) or _OTHER_SMOKE.match(text, match.end()):
        return True
    if is_conditional(text, match.start()) or any(one.search(before) for one in (_OTHERS, _EITHER, _ADVISED)):
        return True
    return status != "never" and _DENIED.search(before) is not None
