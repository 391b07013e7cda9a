"""Ages over 89 in a text: they become 90, as Patient's Age becomes 090Y."""

from __future__ import annotations

import re

from diana_anon.core.text.edits import Edit

_YEARS = r"[ -]?(?:years?\b|yrs?\b|y\.? ?/? ?o\b|y\.o\.|y\b|jahre?\b|jahrig|j\.|ans\b|anos\b|歳|세|лет)"
_AGE = re.compile(
    rf"(?<![\w.,/-])(?P<years>9\d|1[0-4]\d)(?={_YEARS})"
    r"|(?<![a-z])(?:aged?|alter|edad)[ :=]{1,3}(?:of )?(?P<more>9\d|1[0-4]\d)(?![\d.,/-]\d|\d)",
    re.IGNORECASE,
)
_MOST = "90"


def over_89(text: str) -> list[Edit]:
    """The ages over 89 in a plain text, each to be 90."""
    spans = (match.span("years" if match["years"] else "more") for match in _AGE.finditer(text))
    return [Edit(start, end, _MOST) for start, end in spans if text[start:end] != _MOST]
