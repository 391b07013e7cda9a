"""Numbers of records, people, phones and hosts.

A label (MRN, Acc#, Patient ID) lets any number of three digits go that is no measure. Without one, a number goes if it
has seven digits or more, or six behind letters, or the form of a phone or social security number.
"""

from __future__ import annotations

import re

from diana_anon.core.text.forms import Form, is_measured

_LABELS = "|".join(
    (
        r"m\.?r\.?n|mr ?(?=#)|med(?:ical)? ?rec(?:ord)?|accession|acc(?:ess)?|patients?|pat|pt|pid|case|record|chart",
        r"encounter|account|acct|hospital|order|req(?:uisition)?|visit|study|exam|specimen|nhs|chi|insurance|policy",
        r"member|licen[cs]e|passport|ssn|social security|serial|s/n|ris|identifier",
        r"versicherten|versicherungs|patienten|fall|aufnahme|auftrags",
        r"dossier|ipp|nip|nir|nhc|historia(?: clinica)?|dni|nif|cpr|bsn|ahv",
    )
)
_SUFFIX = r"(?:[ -]?(?:no|nr|num(?:ber)?|id|ident|nummer|n°|nº|numero|zahl)(?![a-z])\.?)"
_VALUE = r"(?P<id>(?=[a-z._/-]{0,12}\d)[a-z0-9](?:[a-z0-9]|[-/._](?=[a-z0-9])){1,31}+)"
_START = r"(?<![a-z])"

_LABELLED = (
    # A word with "number" to it, or a sign for it, needs no colon.
    rf"{_START}(?:{_LABELS}){_SUFFIX}[ :=#.]{{0,4}}+{_VALUE}",
    rf"{_START}(?:{_LABELS}) ?#[ :=]{{0,3}}+{_VALUE}",
    # Nor do those that mean nothing but a number.
    rf"{_START}(?:mrn|m\.r\.n\.|ssn|nhs|ipp|nhc|pid|id|acc(?:ession)?|dossier|historia clinica)[ :=#.]{{1,4}}+{_VALUE}",
    rf"{_START}(?:{_LABELS}) ?[:=] {{0,3}}+{_VALUE}",
    r"(?<![a-z0-9])(?:n°|nº|no\.|nr\.|№)(?: ?de dossier)? ?[:#]? {0,2}+(?P<id>(?=[a-z]{0,4}\d)[a-z0-9-]{5,24}+)",
    r"(?:患者番号|患者ID|カルテ番号|등록번호|病历号|住院号|номер карты|ИБ №)[ :№]{0,3}+(?P<id>[a-z0-9-]{2,24}+)",
)
_SPINE = re.compile(r"[CTLS]\d{1,2}(?:[-/][CTLS]?\d{1,2})?|T[12]w?|\d{1,2}[DT]", re.IGNORECASE)
_FEWEST_DIGITS = 3
_LONGEST_VERSION = 9
"""Characters of a software version that has the form of an address."""


def _is_id(match: re.Match[str]) -> bool:
    value = match["id"]
    enough = sum(map(str.isdigit, value)) >= _FEWEST_DIGITS or not value.isdigit()
    return enough and not is_measured(match.string, match.end("id")) and not _SPINE.fullmatch(value)


def _is_number(match: re.Match[str]) -> bool:
    return not match[0].endswith("0000") and not is_measured(match.string, match.end())


def _is_phone(match: re.Match[str]) -> bool:
    return 7 <= sum(map(str.isdigit, match[0])) <= 15 or "phone" in match.groupdict()


def _is_host(match: re.Match[str]) -> bool:
    parts = match[0].split(".")
    return all(part == str(int(part)) and int(part) < 256 for part in parts) and len(match[0]) > _LONGEST_VERSION


LABELLED = tuple(Form(re.compile(form, re.IGNORECASE), "id", _is_id) for form in _LABELLED)
"""Numbers that a label says are somebody's."""

_CALL = (
    r"(?<![a-z])(?:tel(?:e(?:phone|fono?|fax))?|phone|fon|fax|mobile?|mobil|cell(?:ular)?|handy|pager|beeper"
    r"|call(?: back)?|ph|durchwahl|電話|전화|тел)(?: ?(?:no|nr|num(?:ber)?))?\.?[ :.#]{0,4}+"
)
_PHONE = r"(?P<phone>[+(]{0,2}\d(?:[ ()/.-]{0,2}\d){5,14}+(?: ?(?:x|ext\.?) ?\d{1,6}+)?)"

NUMBERS = (
    Form(re.compile(_CALL + _PHONE, re.IGNORECASE), "phone"),
    Form(re.compile(r"(?<![\w.+])\+\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){2,6}+(?!\d)"), 0, _is_phone),
    Form(
        re.compile(
            r"(?<![\w.(/-])(?:\+?1[ .-])?(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}(?![\w/])(?!\.\d)"
            r"(?:,? ?(?:x|ext\.?) ?\d{1,6}+)?",
            re.IGNORECASE,
        )
    ),
    # French and German numbers of trunk prefix 0.
    Form(re.compile(r"(?<![\w.,/-])0\d(?:[ .]\d\d){4}(?![\w/])(?!\.\d)")),
    Form(re.compile(r"(?<![\w.,/-])0\d{2,4}[/-] ?\d{5,9}+(?![\w/])(?!\.\d)")),
    # Social security: of the United States, of France.
    Form(re.compile(r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])(?!\.\d)")),
    Form(re.compile(r"(?<![\w.])[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d[\dAB] ?\d{3} ?\d{3}(?: ?\d{2})?(?![\w.])")),
    # Hosts and UIDs.
    Form(re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"), 0, _is_host),
    Form(re.compile(r"(?<![\w.])\d{1,40}+(?:\.\d{1,40}+){5,30}+(?!\w)")),
    # Of whatever else.
    Form(re.compile(r"(?<![0-9.,+])\d{7,32}+(?![0-9])(?!\.\d)"), 0, _is_number),
    Form(re.compile(r"(?<![A-Za-z0-9.,+])[A-Z]{1,4}[-_]?\d{6,32}+(?![A-Za-z])(?!\.\d)"), 0, _is_number),
)
"""Numbers that have the form of somebody's."""
