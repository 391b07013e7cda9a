"""Names that a title (Dr., Mrs), a label (Radiologist:) or a degree (MD) says are names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diana_anon.core.text.forms import Span
from diana_anon.core.text.words import folded, is_common

_TITLES = """
    dr drs doctor doktor prof professor mr mrs ms miss herr herrn frau hr fr mme mlle monsieur madame sr sra srta dott
    dra med md phd do rn rt jr ii iii iv esq rev sir dipl ing mag msc bsc ba ma mdiv
"""
TITLES = frozenset(_TITLES.split())
"""Words beside names, which are part of no name; folded."""

_PARTICLES = frozenset(("van", "von", "de", "der", "den", "da", "la", "el", "al", "bin", "zu", "di", "du"))
_LINK = rf"(?:(?:{'|'.join(sorted(_PARTICLES))}) )"
_LETTERS = r"(?:[^\W\d_]|['’]){0,30}"
_NAME = rf"[^\W\d_](?:\.|{_LETTERS}(?:-[^\W\d_]{_LETTERS}){{0,2}})(?![\d_])"
_NAMES = rf"(?P<names>{_LINK}{{0,2}}{_NAME}(?:(?:,? |(?<=\.)|\^){_LINK}{{0,2}}{_NAME}){{0,3}})"

# MR, MS and DR in capitals are modalities and diseases unless a stop follows.
_TITLED = re.compile(
    r"(?<![^\W_])(?:(?:Drs?|Prof|Mr|Mrs|Ms|Miss|Hr|Herrn?|Frau|Mme|Mlle|Monsieur|Madame|Sra|Srta|Dott|Dra|Doctor|Doktor"
    r"|Professor|HERR|FRAU|PROF)\b\.?|(?:DR|PROF|MR|MRS|MS|SR|Sr|HR|MME|DRA|SRA|PR|Pr)\.|[Дд]-р|[Дд]октор|[Вв]рач|Δρ\.?)"
    rf"(?: (?:med|Dr|Prof|h\.c)\b\.?){{0,3}} {{0,2}}(?<=[. ]){_NAMES}"
)
_LABELS = "|".join(
    (
        r"(?:patient|pt)(?:'s)?[ -]name",
        r"(?:referring|ordering|attending|reading|performing|requesting)[ -](?:physician|md|doctor|dr)",
        r"name|physician|patient|pt|radiologist|technologist|tech|operator|surgeon|referrer|consultant|nurse",
        r"(?:electronically )?signed(?: by)?|(?:dictated|reported|read|performed|referred|verified|transcribed) by",
        r"(?:interpreted|approved|requested|ordered) by",
        r"befundet von|untersucher(?:in)?|[uü]berweiser|zuweiser|arzt|[aä]rztin|nachname|vorname",
        r"m[eé]decin|nom|pr[eé]nom|radiologue|m[eé]dico|nombre|apellidos?|paciente|radi[oó]logo",
        r"пациент|врач|фио|患者名|氏名|医師|환자명|의사",
    )
)
_LABELLED = re.compile(rf"(?<![^\W_])(?i:{_LABELS})(?: ?[:=] ?|(?<=[Bb][Yy]) |(?<=[Vv][Oo][Nn]) ){_NAMES}")
_DEGREE = re.compile(
    rf"(?<![\w.])(?P<names>(?=[^\W\d_a-zà-ÿ]){_NAME}(?: {_LINK}?{_NAME}){{0,2}}), ?"
    r"(?:M\.? ?D\b|D\.? ?O\b|Ph\.? ?D\b|F\.?R\.?C\.?R|FACR\b|R\.?N\b)"
)
_PART = re.compile(_NAME)
_SHORTEST_BY_DEGREE = 4
_ENDS = (",", ".", ";", ")", "\n", "\r")


def names(text: str) -> Iterator[Span]:
    """The names in a plain text that something beside them says are names."""
    for pattern in (_TITLED, _LABELLED, _DEGREE):
        for match in pattern.finditer(text):
            span = _name(match)
            if span is not None:
                yield span


def _name(match: re.Match[str]) -> Span | None:
    """What of a match is the name: up to the first word in lower case, or that is the standard's own.

    One such word may be a surname too (Dr. Long, Mary Major): it is if it comes first after a title, or last before a
    stop. Where all is in capitals and nothing parts the words, one word is the name; nobody can tell where it ends.
    """
    text, start = match.string, match.start("names")
    shouted = match["names"].isupper() and match.re is not _DEGREE
    if match.re is _DEGREE and max(map(len, match["names"].split())) < _SHORTEST_BY_DEGREE:
        return None  # FA, MD: not a doctor, but anisotropy and diffusivity
    end, count = start, 0
    for part in _PART.finditer(text, start, match.end("names")):
        word = part[0]
        if word in _PARTICLES:
            continue
        parted = any(mark in text[end : part.start()] for mark in ",^.") or len(word) < 3
        if word[0].islower() or folded(word).rstrip(".") in TITLES:
            break
        if count and shouted and not parted and text[end - 1] != ".":
            break
        if is_common(folded(word)) and not _may_be_surname(match, part, count):
            break
        end, count = part.end(), count + 1
    if match.re is _DEGREE and end < match.end("names"):
        return None  # what stands before the degree is no name
    return (start, end) if count else None


def _may_be_surname(match: re.Match[str], part: re.Match[str], count: int) -> bool:
    if not count:
        return match.re is _TITLED
    after = match.string[part.end() : part.end() + 1]
    return match.re is _DEGREE or after in _ENDS or (not after and match.re is _LABELLED)
