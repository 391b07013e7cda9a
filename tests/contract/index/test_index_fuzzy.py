"""Names by sound, and dates with their times, through every store."""

from __future__ import annotations

import pytest

from diana_index.core.attributes import Level
from tests.unit.index.index_bench import IndexBench


@pytest.mark.parametrize(
    ("held", "asked", "met"),
    [
        ("Smith^John", "Smyth^Jon", True),
        ("Smith^John", "john smith", True),
        ("Smith^John", "Smith^Mary", False),
        ("Smith^John", ["Mueller", "Smyth"], True),
        ("Smith^John", "Smth", True),
        ("Meier^Anna", "Mayer^Anna", True),
        ("O'Brien^Pat", "OBrien^Pat", True),
        ("Müller^Jörg", "Muller^Jorg", True),
        ({"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}, "山田", True),
        ("Smith^John", "*", True),
        ("Smith^John", "^", True),
        ("Smith^John", "' OR 1=1 --", False),
        (None, '""', True),
        (None, "Smith", False),
        ("Smith^John", ["Jones", '""'], False),
    ],
)
def test_names_match_by_sound_at_every_level(
    bench: IndexBench, held: str | dict[str, str] | None, asked: str | list[str], met: bool
) -> None:
    bench.archive.store("1.1.1", PatientName=held)
    bench.catch_up()
    assert [bench.count(level, {"PatientName": asked}, fuzzy_names=True) for level in Level] == [int(met)] * 4


def test_filters_compare_names_by_sound_too(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", PatientName="Smith^John", OperatorsName=["Who^Doctor", "Meier^Anna"])
    bench.catch_up()
    for text, met in (
        ('PatientName = "Smyth^Jon"', 1),
        ('PatientName != "Smyth^Jon"', 0),
        ("PatientName:smyth", 1),
        ('OperatorsName = "Mayer^Anna"', 1),
        ('PatientName = "Jones"', 0),
        ('PatientName = ""', 0),
    ):
        assert [bench.count(level, filter=text, fuzzy_names=True) for level in Level] == [met] * 4, text
        assert bench.count(Level.STUDY, filter=text) == (1 if "!=" in text else 0)


@pytest.mark.parametrize(
    ("date", "time", "apart", "together"),
    [
        ("20260110", "110000", True, True),
        ("20260110", "090000", False, False),  # before the beginning
        ("20260111", "230000", False, True),  # between
        ("20260112", "110000", True, True),
        ("20260112", "130000", False, False),  # behind the end
        ("20260111", None, False, True),
        ("20260110", None, False, False),
        ("20260113", "110000", False, False),
    ],
)
def test_a_range_of_dates_and_one_of_times_are_apart_or_together(
    bench: IndexBench, date: str, time: str | None, apart: bool, together: bool
) -> None:
    bench.archive.store("1.1.1", StudyDate=date, StudyTime=time, AcquisitionDate=date, AcquisitionTime=time)
    bench.catch_up()
    for names in (("StudyDate", "StudyTime"), ("AcquisitionTime", "AcquisitionDate")):
        keys = {name: "20260110-20260112" if name.endswith("Date") else "1000-1200" for name in names}
        assert [bench.count(level, keys) for level in Level] == [int(apart)] * 4
        assert [bench.count(level, keys, combined_date_times=True) for level in Level] == [int(together)] * 4
