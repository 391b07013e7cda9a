"""Names, dates, times and ages, and what ranges of them mean."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from diana_common.values import (
    PersonName,
    date_time_span,
    normalised_name,
    normalised_text,
    parse_age,
    parse_date,
    parse_date_time,
    parse_time,
    split_range,
    time_span,
    zone_of,
)


def test_a_person_name_has_three_groups_of_five_components() -> None:
    name = PersonName.parse("Adams^John Robert Quincy^^Rev.^B.A. M.Div.=亚当斯^约翰")
    assert name.components() == ("Adams", "John Robert Quincy", "", "Rev.", "B.A. M.Div.")
    assert name.groups() == ("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "亚当斯^约翰")
    assert str(PersonName.parse("A==C")) == "A==C"
    assert str(PersonName.from_json({"Ideographic": "山田"})) == "=山田"


def test_names_and_texts_compare_without_case_width_and_spaces() -> None:
    assert normalised_name("DOE ^  Jane^^") == normalised_name("doe^jane")
    assert normalised_text(" Ｔhorax   AP ") == "thorax ap"
    assert normalised_name("Müller^A") != normalised_name("Muller^A")


@pytest.mark.parametrize("text", ["20260114", "2026.01.14", "2026-01-14", " 20260114 "])
def test_dates_in_present_and_retired_forms(text: str) -> None:
    assert parse_date(text) == date(2026, 1, 14)


@pytest.mark.parametrize("text", ["", "2026", "20260230", "00000000", "2026011", "٢٠٢٦٠١١٤", "20260114x"])
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("10", time(10), time(10, 59, 59, 999999)),
        ("1030", time(10, 30), time(10, 30, 59, 999999)),
        ("10:30:15", time(10, 30, 15), time(10, 30, 15, 999999)),
        ("103015.5", time(10, 30, 15, 500000), time(10, 30, 15, 599999)),
        ("235960", time(23, 59, 59), time(23, 59, 59, 999999)),
    ],
)
def test_a_time_of_reduced_precision_stands_for_all_it_contains(text: str, low: time, high: time) -> None:
    assert time_span(text) == (low, high)
    assert parse_time(text) == low


@pytest.mark.parametrize("text", ["", "24", "1060", "103061", "1030155", "noon"])
def test_what_is_no_time(text: str) -> None:
    assert parse_time(text) is None


def test_date_times_keep_their_zone_or_take_the_given_one() -> None:
    est = timezone(timedelta(hours=-5))
    assert parse_date_time("20260114103015.25-0500") == datetime(2026, 1, 14, 10, 30, 15, 250000, est)
    assert parse_date_time("2026011410", est) == datetime(2026, 1, 14, 10, tzinfo=est)
    assert date_time_span("202602") == (
        datetime(2026, 2, 1, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 59, 59, 999999, UTC),
    )
    assert date_time_span("9999") is not None
    assert parse_date_time("20261301") is None
    assert parse_date_time("2026+9999") is None


@pytest.mark.parametrize(
    ("text", "ends"),
    [("2026-2027", ("2026", "2027")), ("-20260101", ("", "20260101")), ("1000-", ("1000", "")), ("20260101", None)],
)
def test_ranges_of_dates_and_times(text: str, ends: tuple[str, str] | None) -> None:
    assert split_range(text) == ends


@pytest.mark.parametrize("text", ["-", "", "a-b-c"])
def test_what_is_no_range(text: str) -> None:
    assert split_range(text) is None


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("20260101-20260201", ("20260101", "20260201")),
        ("20260101-0500", None),
        ("20260101-0500-20260201-0500", ("20260101-0500", "20260201-0500")),
        ("20260101+0100-", ("20260101+0100", "")),
        ("20260101-0500-", ("20260101-0500", "")),
        ("-20260101-0500", ("", "20260101-0500")),
        ("2025-2026", ("2025", "2026")),
    ],
)
def test_in_a_date_time_a_hyphen_may_also_start_an_offset(text: str, ends: tuple[str, str] | None) -> None:
    assert split_range(text, date_time=True) == ends


def test_ages_in_days() -> None:
    assert parse_age("014D") == 14
    assert parse_age("002W") == 14
    assert parse_age("012M") == pytest.approx(365.2425)
    assert parse_age("064Y") == pytest.approx(64 * 365.2425)
    assert parse_age("64") is None


def test_the_zone_of_an_offset_is_read_or_refused() -> None:
    assert zone_of("-0530").utcoffset(None) == -timedelta(hours=5, minutes=30)
    assert zone_of(" +0100 ").utcoffset(None) == timedelta(hours=1)
    for nonsense in ("", "0100", "+1", "+9999", "+ 1 2", "CET"):
        with pytest.raises(ValueError, match=r"offset|delta"):
            zone_of(nonsense)
