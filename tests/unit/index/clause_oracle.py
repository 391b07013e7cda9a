"""What a clause means, said in plain Python over records in memory: what the databases' answers are held against."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from diana_index.core import clauses as c
from diana_index.core.attributes import AGE, Attribute, Level
from diana_index.core.forms import NUMBERS, Form, former, name_forms
from diana_index.core.matching import Condition, ascii_lower
from diana_index.core.names import name_sounds
from diana_index.core.paths import Step, values_at
from diana_index.core.records import age_years
from diana_index.core.reports import Report
from diana_index.core.reports.words import words

_TEXTS = {
    Level.STUDY: ("00081030", "00081080", "001021B0", "00321060"),
    Level.SERIES: ("0008103E", "00400254", "00181030", "00180015"),
}
"""The tags of the texts whose words are searched."""


@dataclass(eq=False)
class Held:
    """A record: its newest header, and what is above and below it."""

    level: Level
    uid: str
    header: dict[str, Any]
    above: Held | None = None
    below: list[Held] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    """A study's."""

    def at(self, level: Level) -> Held:
        """This record, or the one above it at a level."""
        found: Held | None = self
        while found is not None and found.level > level:
            found = found.above
        assert found is not None
        return found

    def under(self, level: Level) -> Iterator[Held]:
        """All records below at a level."""
        for one in self.below:
            if one.level == level:
                yield one
            else:
                yield from one.under(level)

    def derived(self, keyword: str) -> list[Any]:
        """The values of what is counted or gathered from below."""
        if keyword == AGE.keyword:
            age = age_years(self.header)
            return [] if age is None else [age]
        if keyword.startswith("NumberOf"):
            what = keyword.rpartition("Related")[2]
            counted = {"Studies": Level.STUDY, "Series": Level.SERIES, "Instances": Level.INSTANCE}[what]
            return [sum(1 for _ in self.under(counted))]
        tag, level = {"M": ("00080060", Level.SERIES), "S": ("00080016", Level.INSTANCE)}[keyword[0]]
        found = (one.header.get(tag, {}).get("Value", [])[:1] for one in self.under(level))
        return [value for values in found for value in values]


def meets(record: Held, clause: c.Clause) -> bool:
    """Whether a record meets a clause."""
    lowest = c.lowest_level(clause)
    match clause:
        case c.All(parts):
            below = [one for one in parts if c.lowest_level(one) > record.level and not c.has_no(one)]
            if not all(meets(record, one) for one in parts if one not in below):
                return False
            if not below:
                return True
            lowest = max(c.lowest_level(one) for one in below)
            return any(all(meets(child, one) for one in below) for child in record.under(lowest))
        case c.Any(parts):
            return any(meets(record, one) for one in parts)
        case c.No(part):
            return not meets(record, part)
        case _ if lowest > record.level:
            return any(meets(child, clause) for child in record.under(lowest))
        case c.Present(attribute):
            return bool(forms_of(record, attribute))
        case c.Absent(attribute):
            return not forms_of(record, attribute)
        case c.Differs(condition):
            held = forms_of(record, condition.attribute)
            return bool(held) and not _met(record, condition)
        case c.InItem():
            return bool(_items(record, clause))
        case c.HasWords():
            return any(_has_phrase(text, clause) for text in _searched(record))
        case c.HasFinding(name, wanted):
            found = [one for report in record.at(Level.STUDY).reports for one in report.findings if one.name == name]
            return any(wanted is None or _finding_met(one, wanted) for one in found)
        case Condition():
            return _met(record, clause)
    raise AssertionError(clause)


def forms_of(record: Held, attribute: Attribute) -> list[tuple[str, Form]]:
    """The forms of an attribute, each with the item it is in."""
    held = record.at(attribute.level)
    if attribute.derived:
        found = [("", value) for value in held.derived(attribute.keyword)]
    else:
        found = [(item, value) for item, _, value in values_at(held.header, _steps(attribute))]
    form: Callable[[Any], Sequence[Form | None]] = name_forms if attribute.vr == "PN" else _one(attribute.vr)
    return [(item, one) for item, value in found for one in form(value) if one is not None]


def _steps(attribute: Attribute) -> tuple[Step, ...]:
    return attribute.steps or (Step(attribute.tag),)


def _one(vr: str) -> Callable[[Any], list[Form | None]]:
    return lambda value: [former(vr)(value)]


def _met(record: Held, condition: Condition) -> bool:
    if condition.sounds:
        held = record.at(condition.attribute.level)
        names = [value for _, _, value in values_at(held.header, _steps(condition.attribute))]
        sounds = {sound for name in names for sound in name_sounds(name)}
        return all(sounds & set(alternatives) for alternatives in condition.sounds)
    return any(_form_met(form, condition) for _, form in forms_of(record, condition.attribute))


def _form_met(form: Form, condition: Condition) -> bool:
    text = ascii_lower(str(form)) if condition.any_case else str(form)
    return (
        form in condition.exact
        or any(re.fullmatch(_regex(one), text, re.DOTALL) for one in condition.patterns)
        or any(_within(form, low, high, above, below) for low, high, above, below in condition.ranges)
    )


def _within(form: Any, low: Any, high: Any, above: bool, below: bool) -> bool:
    over = low is None or (form > low if above else form >= low)
    return over and (high is None or (form < high if below else form <= high))


def _regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)


def _items(record: Held, item: c.InItem) -> set[str]:
    """The items that meet it, each by the numbers of the items on the way."""
    found: set[str] | None = None
    for part in item.parts:
        if isinstance(part, c.InItem):
            inner = _items(record, part)
        else:
            inner = {at for at, form in forms_of(record, part.attribute) if _form_met(form, part)}
        near = {at[: 4 * item.depth] for at in inner}
        found = near if found is None else found & near
    return found or set()


def _searched(record: Held) -> Iterator[list[str]]:
    """The words of each of the texts that are a record's to search."""
    study = record.at(Level.STUDY)
    yield _own_words(study)
    for report in study.reports:
        yield words(report.text)
    series = study.below if record.level == Level.STUDY else [record.at(Level.SERIES)]
    yield from (_own_words(one) for one in series)


def _own_words(record: Held) -> list[str]:
    elements = (record.header.get(tag, {}).get("Value", []) for tag in sorted(_TEXTS[record.level]))
    return words(" ".join(value for values in elements for value in values))


def _has_phrase(said: list[str], phrase: c.HasWords) -> bool:
    length = len(phrase.words)
    for start in range(len(said) - length + 1):
        *firsts, last = said[start : start + length]
        wanted = phrase.words[-1]
        if tuple(firsts) == phrase.words[:-1] and (last.startswith(wanted) if phrase.prefix else last == wanted):
            return True
    return False


def _finding_met(finding: Any, wanted: Condition) -> bool:
    form = finding.number if wanted.attribute.vr in NUMBERS else finding.text
    return form is not None and _form_met(form, wanted)
