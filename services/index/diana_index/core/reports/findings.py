"""What a report finds: the scores and quantities that radiologists write down.

Only plain statements count. A score in a legend, a condition, a range, or of an earlier examination is no
finding; where the words leave it open, nothing is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from diana_index.core.reports.bone_age import bone_ages
from diana_index.core.reports.finding import Finding
from diana_index.core.reports.pack_years import pack_years
from diana_index.core.reports.scores import bi_rads, lung_rads, radcat
from diana_index.core.reports.smoking import smoking
from diana_index.core.reports.words import MAX_TEXT

VERSION = 1
"""Counts up whenever a text has other findings than before: those that were kept with it are then found anew."""

MAX_OF_A_NAME = 16
"""Different values of one name that a report may have; more are no report's."""

_FINDERS: tuple[Callable[[str], Iterator[Finding]], ...] = (
    radcat,
    bi_rads,
    lung_rads,
    smoking,
    pack_years,
    bone_ages,
)


def findings(text: str) -> list[Finding]:
    """The findings in order of place, each value of a name once, where the text says it first.

    Any text will do; the work is linear in its length.
    """
    found = [one for finder in _FINDERS for one in _different(finder(text[:MAX_TEXT]))]
    return sorted(found, key=lambda one: (one.start, one.end, one.name))


def _different(found: Iterator[Finding]) -> list[Finding]:
    kept: dict[str, Finding] = {}
    for one in found:
        kept.setdefault(one.text, one)
        if len(kept) == MAX_OF_A_NAME:
            break
    return list(kept.values())
