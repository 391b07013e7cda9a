"""Dates and times under the two ways of Dates."""

from __future__ import annotations

from datetime import timedelta

import pytest

from diana_anon.core.rewriting.dates import shifted
from tests.support.dicom_files import make_small
from tests.unit.anon.engine_files import Dates, new_data_set, new_file
from tests.unit.common.builder import element, part10

WEEK = timedelta(days=-7)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("vr", "before", "offset", "after"),
    [
        ("DA", "20240301", timedelta(days=-1), "20240229"),
        ("DA", "2024.03.01", timedelta(days=-1), "20240229"),
        ("DA", "20240301-20240310", WEEK, "20240223-20240303"),
        ("DA", "-20240310", WEEK, "-20240303"),
        ("DA", "20240301\\\\20240310", WEEK, "20240223\\\\20240303"),
        ("DA", "", WEEK, ""),
        ("DA", "00010101", WEEK, None),
        ("DA", "20240230", WEEK, None),
        ("DA", "ZQ PLANTED", WEEK, None),
        ("DT", "20240301235930.5", MINUTE, "20240302000030.5"),
        ("DT", "20240301235930.123456-0500", MINUTE, "20240302000030.123456-0500"),
        ("DT", "2024", WEEK, "2023"),
        ("DT", "202403", WEEK, "202402"),
        ("DT", "2024030112", WEEK, "2024022312"),
        ("DT", "20240301-20240310", WEEK, "20240223-20240303"),
        ("DT", "99991231", timedelta(days=1), None),
        ("TM", "1030", MINUTE, "1031"),
        ("TM", "10", MINUTE, "10"),
        ("TM", "235930.25", MINUTE, "000030.25"),
        ("TM", "10:30:15", MINUTE, "103115"),
        ("TM", "101530.000", WEEK, "101530.000"),
        ("TM", "ZQ", WEEK, None),
    ],
)
def test_a_value_moves_and_keeps_its_precision(vr: str, before: str, offset: timedelta, after: str | None) -> None:
    moved = shifted(vr, before.encode(), offset)
    assert moved == (None if after is None else after.encode())


def test_a_date_crosses_midnight_with_its_time() -> None:
    source = make_small(StudyDate="20240229", StudyTime="235930", SeriesDate="20240229", SeriesTime="120000")
    new = new_data_set(source, Dates.SHIFT, MINUTE)
    assert (new.StudyDate, new.StudyTime) == ("20240301", "000030")
    assert (new.SeriesDate, new.SeriesTime) == ("20240229", "120100")


def test_several_dates_pair_with_as_many_times() -> None:
    dates = element(0x00181200, "DA", b"20240101\\20240101")
    times = element(0x00181201, "TM", b"120000\\235930")
    new = new_data_set(part10(dates, times), Dates.SHIFT, MINUTE)
    assert list(new.DateOfLastCalibration) == ["20240101", "20240102"]
    assert list(new.TimeOfLastCalibration) == ["120100", "000030"]


def test_a_date_that_cannot_be_read_falls_back_to_the_basic_profile() -> None:
    new = new_data_set(make_small(StudyDate=None, AcquisitionDate=None), Dates.SHIFT)
    assert "AcquisitionDate" not in new
    planted = element(0x00080020, "DA", b"ZQPLANTED") + element(0x00080022, "DA", b"ZQPLANTED")
    data = new_file(part10(planted), Dates.SHIFT)
    assert b"ZQPLANTED" not in data
    new = new_data_set(part10(planted), Dates.SHIFT)
    assert new.StudyDate == "" and "AcquisitionDate" not in new


def test_the_distance_between_two_studies_is_kept() -> None:
    first, second = (
        new_data_set(make_small(StudyDate=day), Dates.SHIFT, timedelta(days=-400)) for day in ("20240101", "20240131")
    )
    assert (first.StudyDate, second.StudyDate) == ("20221127", "20221227")


def test_birth_date_is_the_new_identitys_when_dates_stay_and_empty_when_they_go() -> None:
    assert new_data_set(make_small(), Dates.SHIFT).PatientBirthDate == "19610203"
    assert new_data_set(make_small()).PatientBirthDate == ""


def test_removed_dates_leave_what_the_type_demands() -> None:
    new = new_data_set(make_small())
    assert (new.StudyDate, new.StudyTime) == ("", "")
    assert "SeriesDate" not in new and "InstanceCreationDate" not in new
