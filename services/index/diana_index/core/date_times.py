"""Combined date-time matching (PS3.4 section C.2.2.2.5): a range of dates and one of times as one range.

Without it StudyDate 20260110-20260112 and StudyTime 1000-1200 mean ten to twelve on each of three days; with it,
from the first day at ten to the last day at twelve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from diana_common.tags import keyword_of, tag_of, vr_of
from diana_index.core.attributes import Attribute, Level
from diana_index.core.clauses import All, Any, Clause
from diana_index.core.matching import Condition, Range
from diana_index.core.paths import Steps

_Place = tuple[Level, Steps, int]


def time_tag(date_tag: int) -> int | None:
    """The time that belongs to a date: Study Date's is Study Time; None if there is none. PS3.6 names them alike."""
    date = keyword_of(date_tag)
    time = "TimeOf" + date.removeprefix("DateOf") if date.startswith("DateOf") else date.removesuffix("Date") + "Time"
    tag = tag_of(time)
    return tag if tag is not None and vr_of(tag) == "TM" else None


def combine_date_times(conditions: Sequence[Condition]) -> list[Clause]:
    """The conditions, those of a pair that are one range each taken together, at the place of the date's.

    A single date or time, and several ranges of either, are left as they are: what they would mean together
    the standard does not say.
    """
    times = {_place(one.attribute): one for one in conditions if one.attribute.vr == "TM"}
    clauses: dict[Condition, Clause] = {}
    for date in (one for one in conditions if one.attribute.vr == "DA" and _is_range(one)):
        time = _time_of(date.attribute, times)
        if time and _is_range(time):
            clauses[date] = combined(date, time)
            clauses[time] = All(())
    found = [clauses.get(one, one) for one in conditions]
    return [one for one in found if one != All(())]


def combined(date: Condition, time: Condition) -> Clause:
    """A range of dates and one of times, together one range.

    A record of the first or the last date needs a time, unless the range of times is open at that end.
    """
    first, last, *_ = date.ranges[0]
    start, end, *_ = time.ranges[0]
    if first is not None and last is not None and str(first) >= str(last):
        return All((date, time))  # one date, or none: ranges whose ends are the wrong way round find nothing
    starts, ends = None not in (first, start), None not in (last, end)
    parts: list[Clause] = [_within(date, Range(first, last, above=starts, below=ends))]
    if starts:
        parts.append(All((_within(date, Range(first, first)), _within(time, Range(start, None)))))
    if ends:
        parts.append(All((_within(date, Range(last, last)), _within(time, Range(None, end)))))
    return Any(tuple(parts)) if len(parts) > 1 else parts[0]


def _place(attribute: Attribute) -> _Place:
    """Where a top-level attribute or one within sequences is; a private one belongs to nothing."""
    if not attribute.steps:
        return attribute.level, (), int(attribute.tag, 16)
    last = attribute.steps[-1]
    return attribute.level, attribute.steps[:-1], 0 if last.creator else int(last.tag, 16)


def _time_of(date: Attribute, times: dict[_Place, Condition]) -> Condition | None:
    level, steps, tag = _place(date)
    time = time_tag(tag)
    return times.get((level, steps, time)) if time else None


def _is_range(condition: Condition) -> bool:
    return len(condition.ranges) == 1 and not (condition.exact or condition.patterns or condition.empty)


def _within(condition: Condition, within: Range) -> Condition:
    return replace(condition, ranges=(within,))
