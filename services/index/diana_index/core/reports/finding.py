"""A finding, how it is looked for, and what in the words around a statement takes it back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

DASH = "\\-\u2010-\u2015\u2212"
"""Hyphens and dashes, within a character class."""

MAX_MENTIONS = 1000
"""Times that a text may come to speak of one thing; what it says later is no report's."""

END = r"(?![^\W_])"
"""No letter or digit follows."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A score or quantity that a report states."""

    name: str
    """radcat, bi_rads, lung_rads, smoking, pack_years or bone_age."""
    text: str
    """The value: "4A", "former", "37.5"; bone age in months."""
    number: float | None
    """The value as a number, 4 of "4A"; None of smoking."""
    start: int
    """Its first character in the text, in code points from 0."""
    end: int
    """The first character after it."""


def pattern(*alternatives: str) -> re.Pattern[str]:
    """Any of these, without regard to case; a blank stands for any white space, at most four characters.

    No pattern may repeat without a bound: reports are hostile input.
    """
    return re.compile("|".join(alternatives).replace(" ", r"\s{1,4}"), re.IGNORECASE)


def mentions(sought: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Where a text speaks of something, so often as a report may."""
    return islice(sought.finditer(text), MAX_MENTIONS)


def plain_number(value: float) -> str:
    """A number as text: 30, 37.5, 22.25."""
    return f"{round(value, 2):g}"


_CLAUSE_END = re.compile(r"[.!?](?=\s)|[,;\u2022]|\n[^\S\n]{0,20}(?=[\n*\d-])")
_CONDITION = pattern(
    r"\b(?:if|unless|whether|should|e\.?g\.?|for example|such as|rang(?:e|es|ed|ing) (?:from|between)|versus|vs)\b",
    r"\b(?:criteria|eligib\w{1,6}|defin\w{1,7}|guidelines?|recommended for|for (?:all|any|patients)|USPSTF|CMS)\b",
)


def clause_before(text: str, start: int, width: int = 80) -> str:
    """What the same clause says before a place, at most `width` characters."""
    window = text[max(0, start - width) : start]
    ends = [match.end() for match in _CLAUSE_END.finditer(window)]
    return window[ends[-1] :] if ends else window


def is_conditional(text: str, start: int) -> bool:
    """Whether the clause before makes a condition, a rule or an example of what follows."""
    return _CONDITION.search(clause_before(text, start)) is not None
