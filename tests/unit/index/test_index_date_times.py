"""Combined date-time matching: which pairs there are, and what ranges of both mean together."""

from __future__ import annotations

from itertools import product

import pytest

from diana_common.tags import tag_of
from diana_index.core.attributes import BY_KEYWORD, Level, nested_attribute
from diana_index.core.clauses import All, Any, Clause
from diana_index.core.date_times import combine_date_times, time_tag
from diana_index.core.matching import Condition, parse_condition
from diana_index.core.paths import parse_path, path_text

DATES = ["20251231", "20260110", "20260111", "20260112", "20260113"]
TIMES = [None, "095959.999999", "100000.000000", "110000.000000", "120000.000000", "120000.000001"]


def a_key(keyword: str, *values: str) -> Condition:
    made = parse_condition(BY_KEYWORD[keyword], values, "matches[0]")
    assert made is not None
    return made


def is_met(clause: Clause, forms: dict[str, str | None]) -> bool:
    match clause:
        case All(parts):
            return all(is_met(one, forms) for one in parts)
        case Any(parts):
            return any(is_met(one, forms) for one in parts)
        case Condition():
            form = forms[clause.attribute.keyword]
            return form is not None and (form in clause.exact or any(_is_within(form, *one) for one in clause.ranges))
    raise TypeError(clause)


def _is_within(form: str, low: object, high: object, above: bool, below: bool) -> bool:
    over = low is None or form > str(low) or (form == low and not above)
    return over and (high is None or form < str(high) or (form == high and not below))


def found(date: str, time: str) -> set[tuple[str, str | None]]:
    clauses = combine_date_times([a_key("StudyDate", date), a_key("StudyTime", time)])
    pairs = product(DATES, TIMES)
    return {one for one in pairs if is_met(All(tuple(clauses)), {"StudyDate": one[0], "StudyTime": one[1]})}


def all_of(*dates: str) -> set[tuple[str, str | None]]:
    return {(date, time) for date in dates for time in TIMES}


def from_ten(date: str) -> set[tuple[str, str | None]]:
    return {(date, time) for time in TIMES if time and time >= "10"}


def till_noon(date: str) -> set[tuple[str, str | None]]:
    return {(date, time) for time in TIMES if time and time <= "120000.000000"}


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        (
            "20260110-20260112",
            "1000-120000.000000",
            from_ten("20260110") | all_of("20260111") | till_noon("20260112"),
        ),
        ("20260110-20260111", "1000-120000.000000", from_ten("20260110") | till_noon("20260111")),
        ("20260110-20260110", "1000-120000.000000", from_ten("20260110") & till_noon("20260110")),
        ("20260112-20260110", "1000-120000.000000", set()),
        ("20260111-20260110", "1000-120000.000000", set()),
        ("20260110-20260112", "1000-", from_ten("20260110") | all_of("20260111", "20260112")),
        ("20260110-20260112", "-120000.000000", all_of("20260110", "20260111") | till_noon("20260112")),
        ("20260112-", "1000-120000.000000", from_ten("20260112") | all_of("20260113")),
        ("-20260110", "1000-120000.000000", all_of("20251231") | till_noon("20260110")),
        ("20260112-", "-120000.000000", all_of("20260112", "20260113")),
        ("-20260110", "1000-", all_of("20251231", "20260110")),
        ("20251231-20260110", "1000-120000.000000", from_ten("20251231") | till_noon("20260110")),
    ],
)
def test_a_range_of_dates_and_one_of_times_are_one_range(
    date: str, time: str, expected: set[tuple[str, str | None]]
) -> None:
    assert found(date, time) == expected


@pytest.mark.parametrize(
    ("dates", "times"),
    [
        (["20260110"], ["1000-1200"]),
        (["20260110-20260112"], ["1000"]),
        (["20260110-20260112", "20260201-20260202"], ["1000-1200"]),
        (["20260110-20260112"], ["1000-1200", "1400-1500"]),
        (["20260110-20260112", '""'], ["1000-1200"]),
    ],
)
def test_what_is_not_one_range_each_stays_as_it_is(dates: list[str], times: list[str]) -> None:
    keys = [a_key("StudyDate", *dates), a_key("StudyTime", *times)]
    assert combine_date_times(keys) == keys


def test_a_pair_takes_the_place_of_its_date_and_the_rest_keeps_its_own() -> None:
    series_time = a_key("SeriesTime", "1000-1200")
    modality, study_time = a_key("Modality", "CT"), a_key("StudyTime", "1000-")
    content_date = a_key("ContentDate", "20260101-20260131")
    clauses = combine_date_times([series_time, modality, study_time, a_key("StudyDate", "20260101-"), content_date])
    assert clauses[:2] == [series_time, modality]
    assert isinstance(clauses[2], Any)
    assert clauses[3:] == [content_date]


def test_dates_and_times_within_a_sequence_are_a_pair_too_but_not_with_those_outside() -> None:
    def inner(path: str, vr: str, value: str) -> Condition:
        steps = parse_path(path, "path")
        made = parse_condition(nested_attribute(path, path_text(steps), vr, Level.SERIES, steps), [value], "matches[0]")
        assert made is not None
        return made

    start = "RequestAttributesSequence.ScheduledProcedureStepStart"
    date, time = inner(f"{start}Date", "DA", "20260110-20260112"), inner(f"{start}Time", "TM", "1000-1200")
    assert isinstance(combine_date_times([date, time])[0], Any)
    other = inner("RequestAttributesSequence.StudyTime", "TM", "1000-1200")
    outside = a_key("SeriesTime", "1000-1200")
    private = inner('(0019,"ACME",01)', "DA", "20260110-20260112")
    assert combine_date_times([date, other, outside, private]) == [date, other, outside, private]


def test_the_dates_of_the_index_have_their_times() -> None:
    dates = [one for one in BY_KEYWORD.values() if one.vr == "DA"]
    times = {one.keyword: time_tag(int(one.tag, 16)) for one in dates}
    assert all(times.values())
    assert times["PerformedProcedureStepStartDate"] == tag_of("PerformedProcedureStepStartTime")
    assert times["PatientBirthDate"] == tag_of("PatientBirthTime")
    assert time_tag(tag_of("DateOfSecondaryCapture") or 0) == tag_of("TimeOfSecondaryCapture")
    assert time_tag(tag_of("LastMenstrualDate") or 0) is None
