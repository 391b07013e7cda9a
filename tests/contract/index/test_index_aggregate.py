"""Counts and measures in groups, against the same done by hand over the same headers."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_index.core import aggregating
from diana_index.core.aggregating import AggregationKeys, Bins, DatePart, GroupingKey, Groups, MeasureKey, MeasureKind
from diana_index.core.attributes import Level
from diana_index.core.question import Asked
from diana_index.core.vocabulary import make_search_key
from tests.unit.index.index_bench import NO_WAIT, IndexBench, as_keys

STUDY = {"StudyDate", "StudyTime", "PatientWeight", "StudyDescription", "AccessionNumber", "ModalitiesInStudy"}
SERIES = {"Modality", "SeriesNumber"}


def aggregate(
    bench: IndexBench,
    level: Level,
    by: Sequence[str | GroupingKey] = (),
    measures: Sequence[MeasureKey] = (),
    keys: dict[str, str] | None = None,
    by_count: bool = False,
    limit: int = 0,
    **more: Any,
) -> Groups:
    groupings = [GroupingKey(one) if isinstance(one, str) else one for one in by]
    asked = Asked("default", level, as_keys(keys), **more)
    return bench.index.aggregate(asked, AggregationKeys(groupings, measures, by_count, limit), NO_WAIT)[0]


def counts(groups: Groups) -> dict[Any, int]:
    """Counts by key; by the keys together where there are several."""
    assert groups.group_count == len(groups.groups)
    return {one.keys if len(one.keys) > 1 else one.keys[0]: one.count for one in groups.groups}


@pytest.fixture
def small(bench: IndexBench) -> IndexBench:
    """Two CT studies of three instances together, one MR study of one; the second CT study has an SR series."""
    for sop, study, series, values in (
        ("1.1.1", "1", "1.1", {"Modality": "CT", "StudyDate": "20260105", "KVP": 80, "InstanceNumber": 1}),
        ("1.1.2", "1", "1.1", {"Modality": "CT", "StudyDate": "20260105", "KVP": 120, "InstanceNumber": 2}),
        ("2.1.1", "2", "2.1", {"Modality": "CT", "StudyDate": "20260220", "KVP": 100, "InstanceNumber": 1}),
        ("2.2.1", "2", "2.2", {"Modality": "SR", "StudyDate": "20260220", "InstanceNumber": None}),
        ("3.1.1", "3", "3.1", {"Modality": "MR", "InstanceNumber": 7}),
    ):
        image_type = ["ORIGINAL", "PRIMARY"] if study == "1" else ["DERIVED", "PRIMARY"] if study == "2" else None
        bench.archive.store(sop, study=study, series=series, ImageType=image_type, **values)
    bench.catch_up()
    return bench


def test_without_groupings_all_records_are_one_group(small: IndexBench) -> None:
    groups = aggregate(small, Level.INSTANCE)
    assert ([(one.keys, one.count) for one in groups.groups], groups.group_count) == ([((), 5)], 1)
    assert aggregate(small, Level.INSTANCE, keys={"Modality": "XA"}).groups[0].count == 0


def test_modality_by_month(small: IndexBench) -> None:
    groups = aggregate(small, Level.SERIES, [GroupingKey("StudyDate", DatePart.MONTH), "Modality"])
    assert [(one.keys, one.count) for one in groups.groups] == [
        ((None, "MR"), 1),
        (("202601", "CT"), 1),
        (("202602", "CT"), 1),
        (("202602", "SR"), 1),
    ]


def test_a_record_of_several_values_is_in_the_group_of_each(small: IndexBench) -> None:
    groups = aggregate(small, Level.STUDY, ["ModalitiesInStudy"])
    assert counts(groups) == {"CT": 2, "MR": 1, "SR": 1}
    assert groups.record_count == 3
    assert counts(aggregate(small, Level.INSTANCE, ["ImageType"])) == {
        None: 1,
        "ORIGINAL": 2,
        "DERIVED": 2,
        "PRIMARY": 4,
    }


def test_a_value_that_a_column_has_no_room_for_counts_too(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", StudyDate=["20260101", "20260202"], AccessionNumber=["A", "B"], PatientWeight=70)
    bench.archive.store("2.1.1", study="2", series="2.1", StudyDate="20260101", AccessionNumber="B", PatientWeight=80)
    bench.catch_up()
    assert counts(aggregate(bench, Level.STUDY, ["AccessionNumber"])) == {"A": 1, "B": 2}
    assert counts(aggregate(bench, Level.INSTANCE, [GroupingKey("StudyDate", DatePart.YEAR)])) == {"2026": 2}
    both = aggregate(
        bench, Level.STUDY, ["AccessionNumber", "StudyDate"], [MeasureKey("PatientWeight", MeasureKind.SUM)]
    )
    assert [(one.keys, one.measurements) for one in both.groups] == [
        (("A", "20260101"), (70.0,)),
        (("A", "20260202"), (70.0,)),
        (("B", "20260101"), (150.0,)),
        (("B", "20260202"), (70.0,)),
    ]
    assert both.record_count == 2


def test_names_are_grouped_as_they_are_compared(bench: IndexBench) -> None:
    for study, name in (("1", "M\u00fcller^Jo"), ("2", "MULLER^JO"), ("3", None)):
        bench.archive.store(
            f"{study}.1.1", study=study, series=f"{study}.1", PatientName=name, OperatorsName=["A^B", "C"]
        )
    bench.catch_up()
    assert counts(aggregate(bench, Level.STUDY, ["PatientName"])) == {None: 1, "muller^jo": 2}
    assert counts(aggregate(bench, Level.SERIES, ["OperatorsName"])) == {"a^b": 3}


def test_search_keys_are_grouped_binned_and_measured(small: IndexBench) -> None:
    with small.generations.active() as generation:
        generation.set_search_keys([make_search_key("kvp", "KVP", Level.INSTANCE, "")])
        while (filled := generation.fill("kvp", 100)) and not filled.ready:
            pass
    assert counts(aggregate(small, Level.INSTANCE, ["kvp"])) == {None: 2, 80: 1, 100: 1, 120: 1}
    assert counts(aggregate(small, Level.INSTANCE, [GroupingKey("kvp", Bins(50.0))])) == {None: 2, 50: 1, 100: 2}
    mean = aggregate(small, Level.INSTANCE, ["Modality"], [MeasureKey("kvp", MeasureKind.MEAN)])
    assert [(one.keys[0], one.measurements[0]) for one in mean.groups] == [("CT", 100.0), ("MR", None), ("SR", None)]


def test_the_same_value_in_two_items_of_a_sequence_counts_once(bench: IndexBench) -> None:
    codes = [{"00080100": {"vr": "SH", "Value": [one]}} for one in ("X", "X", "Y")]
    bench.archive.store("1.1.1", ProcedureCodeSequence=codes)
    bench.catch_up()
    groups = aggregate(bench, Level.INSTANCE, ["ProcedureCodeSequence.CodeValue"])
    assert (counts(groups), groups.record_count) == ({"X": 1, "Y": 1}, 1)
    assert counts(aggregate(bench, Level.STUDY, ["ProcedureCodeSequence.CodeValue", "StudyDate"])) == {
        ("X", None): 1,
        ("Y", None): 1,
    }


def test_hours_of_times_and_of_dates_and_times(bench: IndexBench) -> None:
    for number, (clock, moment) in enumerate(
        [("0130", "20260101020000"), ("015959.9", None), ("2300", "20260102233000")]
    ):
        bench.archive.store(f"1.1.{number}", ContentTime=clock, AcquisitionDateTime=moment)
    bench.catch_up()
    by_hour = GroupingKey("ContentTime", DatePart.HOUR), GroupingKey("AcquisitionDateTime", DatePart.HOUR)
    assert counts(aggregate(bench, Level.INSTANCE, by_hour[:1])) == {"01": 2, "23": 1}
    assert counts(aggregate(bench, Level.INSTANCE, by_hour[1:])) == {None: 1, "02": 1, "23": 1}
    by_day = GroupingKey("AcquisitionDateTime", DatePart.DAY)
    assert counts(aggregate(bench, Level.INSTANCE, [by_day])) == {None: 1, "20260101": 1, "20260102": 1}


@pytest.mark.parametrize(
    ("values", "bins", "expected"),
    [
        ([0, 9.99, 10, -0.01, -10, -10.01], Bins(10.0), {0: 2, 10: 1, -10: 2, -20: 1}),
        ([4, 5, 14.5], Bins(10.0, 5.0), {-5: 1, 5: 2}),
        ([0.5, 1e308, -1e308], Bins(1.0), {None: 2, 0: 1}),
        ([1e308, -1e308, 0], Bins(1e-300), {None: 2, 0: 1}),
        ([1e15, 1e15 + 1], Bins(1.0), {10**15: 1, 10**15 + 1: 1}),
    ],
)
def test_bins_are_half_open(bench: IndexBench, values: list[float], bins: Bins, expected: dict[Any, int]) -> None:
    for study, value in enumerate(values):
        bench.archive.store(f"{study}.1.1", study=str(study), series=f"{study}.1", PatientWeight=value)
    bench.catch_up()
    assert counts(aggregate(bench, Level.STUDY, [GroupingKey("PatientWeight", bins)])) == expected


def test_ages_are_binned(bench: IndexBench) -> None:
    for study, age in enumerate(("001Y", "018M", "045Y", None)):
        bench.archive.store(f"{study}.1.1", study=str(study), series=f"{study}.1", PatientAge=age)
    bench.catch_up()
    assert counts(aggregate(bench, Level.STUDY, [GroupingKey("age", Bins(10.0))])) == {None: 1, 0: 2, 40: 1}


@pytest.mark.parametrize(("quantile", "expected"), [(0, 1), (0.07, 7), (0.5, 50), (0.505, 51), (0.99, 99), (1, 100)])
def test_quantiles_are_of_the_nearest_rank(bench: IndexBench, quantile: float, expected: float) -> None:
    for number in range(100, 0, -1):
        bench.archive.store(f"1.1.{number}", InstanceNumber=number)
    bench.archive.store("1.1.200")
    bench.catch_up()
    (group,) = aggregate(
        bench, Level.INSTANCE, (), [MeasureKey("InstanceNumber", MeasureKind.QUANTILE, quantile)]
    ).groups
    assert group.measurements == (expected,)


def test_enormous_numbers_do_not_spoil_a_sum(bench: IndexBench) -> None:
    for study, weight in enumerate((1e308, 1e308, -1e308, 2.0)):
        bench.archive.store(f"{study}.1.1", study=str(study), series=f"{study}.1", PatientWeight=weight)
    bench.catch_up()
    kinds = [MeasureKey("PatientWeight", kind) for kind in (MeasureKind.SUM, MeasureKind.COUNT, MeasureKind.MEAN)]
    assert aggregate(bench, Level.STUDY, (), kinds).groups[0].measurements == (2.0, 1.0, 2.0)


def test_the_greatest_groups_come_first_if_asked(small: IndexBench) -> None:
    groups = aggregate(small, Level.INSTANCE, ["Modality"], by_count=True, limit=2)
    assert [(one.keys[0], one.count) for one in groups.groups] == [("CT", 3), ("MR", 1)]
    assert (groups.group_count, groups.record_count) == (3, 5)


def test_too_many_groups_are_refused_unless_a_limit_is_set(small: IndexBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregating, "MOST_GROUPS", 4)
    with pytest.raises(DianaError) as refused:
        aggregate(small, Level.INSTANCE, ["SOPInstanceUID"])
    assert refused.value.reason is Reason.RESULT_TOO_LARGE
    groups = aggregate(small, Level.INSTANCE, ["SOPInstanceUID"], limit=2)
    assert ([one.keys[0] for one in groups.groups], groups.group_count) == (["1.1.1", "1.1.2"], 5)


@pytest.mark.parametrize(
    ("level", "keys", "reason", "field"),
    [
        (Level.STUDY, [GroupingKey("Modality")], Reason.KEY_UNSUPPORTED, "group_by[0].attribute"),
        (Level.STUDY, [GroupingKey("PixelData")], Reason.KEY_UNSUPPORTED, "group_by[0].attribute"),
        (
            Level.STUDY,
            [GroupingKey("StudyDate"), GroupingKey("PatientID", DatePart.YEAR)],
            Reason.INVALID_FIELD,
            "group_by[1].date_part",
        ),
        (Level.STUDY, [GroupingKey("StudyDate", DatePart.HOUR)], Reason.INVALID_FIELD, "group_by[0].date_part"),
        (Level.STUDY, [GroupingKey("StudyTime", DatePart.DAY)], Reason.INVALID_FIELD, "group_by[0].date_part"),
        (Level.STUDY, [GroupingKey("StudyDate", Bins(1.0))], Reason.INVALID_FIELD, "group_by[0].bins"),
        (Level.STUDY, [MeasureKey("PatientID", MeasureKind.SUM)], Reason.INVALID_FIELD, "measures[0].attribute"),
        (Level.STUDY, [MeasureKey("Rows", MeasureKind.SUM)], Reason.KEY_UNSUPPORTED, "measures[0].attribute"),
    ],
)
def test_what_cannot_be_grouped_or_measured_is_refused(
    bench: IndexBench, level: Level, keys: list[Any], reason: Reason, field: str
) -> None:
    groupings = [one for one in keys if isinstance(one, GroupingKey)]
    measures = [one for one in keys if isinstance(one, MeasureKey)]
    with pytest.raises(DianaError) as refused:
        aggregate(bench, level, groupings, measures)
    assert (refused.value.reason, refused.value.fields[0].field) == (reason, field)


# What an attribute is taken as, by hand.
Taken = Callable[[Any], Any]
GROUPINGS: list[tuple[GroupingKey, Taken]] = [
    (GroupingKey("Modality"), lambda one: one),
    (GroupingKey("StudyDescription"), lambda one: one),
    (GroupingKey("StudyDate", DatePart.MONTH), lambda one: one[:6]),
    (GroupingKey("PatientSex"), lambda one: one),
    (GroupingKey("PatientWeight", Bins(7.5, 1.0)), lambda one: math.floor((one - 1) / 7.5) * 7.5 + 1),
    (GroupingKey("ImageType"), lambda one: one),
    (GroupingKey("SoftwareVersions"), lambda one: one),
    (GroupingKey("InstanceNumber", Bins(3.0)), lambda one: one // 3 * 3),
]
LEVELS = {"Modality": 3, "SoftwareVersions": 3, "PatientSex": 1, "ImageType": 4, "InstanceNumber": 4}
QUESTIONS: list[tuple[dict[str, str], Callable[[dict[str, Any]], bool]]] = [
    ({}, lambda row: True),
    ({"Modality": "CT"}, lambda row: row["Modality"] == "CT"),
    ({"PatientSex": '""'}, lambda row: row["PatientSex"] is None),
    ({"StudyDate": "20260201-"}, lambda row: (row["StudyDate"] or "") >= "20260201"),
]


def test_groups_are_what_grouping_by_hand_gives(bench: IndexBench) -> None:
    chance = random.Random(7)
    rows = _random_rows(bench, chance)
    for _ in range(150):
        level = chance.choice([Level.STUDY, Level.SERIES, Level.INSTANCE])
        possible = [one for one in GROUPINGS if LEVELS.get(one[0].attribute, 2) <= level]
        chosen = chance.sample(possible, chance.randrange(min(4, len(possible) + 1)))
        keys, meets = chance.choice(QUESTIONS)
        if "Modality" in keys and level < Level.SERIES:
            continue
        found = [row for row in _records(rows, level) if meets(row)]
        measures = [MeasureKey("PatientWeight", kind, 0.4) for kind in MeasureKind] if chance.random() < 0.4 else []
        groups = aggregate(bench, level, [one for one, _ in chosen], measures, keys)
        assert groups.record_count == len(found)
        got = {one.keys: (one.count, *one.measurements) for one in groups.groups}
        expected = _by_hand(found, chosen, bool(measures))
        assert got.keys() == expected.keys()
        for key, figures in expected.items():
            assert got[key] == pytest.approx(figures), (level, chosen, keys)


def _random_rows(bench: IndexBench, chance: random.Random) -> list[dict[str, Any]]:
    """A row for each instance; attributes of a study or series are the same in all of it."""
    rows: list[dict[str, Any]] = []
    for study in range(12):
        of_study = {
            "PatientID": f"P{study % 7}",
            "PatientSex": (None, "F", "M")[study % 7 % 3],
            "StudyDate": chance.choice([None, "20260110", "20260111", "20260305"]),
            "StudyDescription": chance.choice([None, "A", "a", "\u00e4"]),
            "PatientWeight": chance.choice([None, 0, 1, 70.5, -3, 1000]),
        }
        for series in range(chance.randrange(1, 4)):
            of_series = {
                "Modality": chance.choice([None, "CT", "MR"]),
                "SoftwareVersions": chance.choice([None, ["1"], ["1", "2"], ["3", "1"]]),
            }
            for number in range(chance.randrange(1, 4)):
                row = {
                    **of_study,
                    **of_series,
                    "ImageType": chance.choice([None, ["O", "P"], ["O", "P", "Q"]]),
                    "InstanceNumber": chance.choice([None, *range(8)]),
                }
                place = {"study": str(study), "series": f"{study}.{series}"}
                bench.archive.store(f"{study}.{series}.{number}", **place, **row)
                rows.append({**row, **place})
    bench.catch_up()
    return rows


def _records(rows: list[dict[str, Any]], level: Level) -> list[dict[str, Any]]:
    if level is Level.INSTANCE:
        return rows
    return list({row["study" if level is Level.STUDY else "series"]: row for row in rows}.values())


def _by_hand(
    rows: list[dict[str, Any]], chosen: list[tuple[GroupingKey, Taken]], measuring: bool
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    members: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        for key in set(product(*(_taken(row[grouping.attribute], taken) for grouping, taken in chosen))):
            members[key].append(row)
    if not chosen:
        members[()] = rows
    return {key: (len(found), *(_measured(found) if measuring else ())) for key, found in members.items()}


def _taken(value: Any, taken: Taken) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    return [None if one is None else taken(one) for one in values]


def _measured(rows: list[dict[str, Any]]) -> list[float | None]:
    numbers = sorted(row["PatientWeight"] for row in rows if row["PatientWeight"] is not None)
    if not numbers:
        return [0, None, None, None, None, None]
    rank = max(math.ceil(0.4 * len(numbers) - 1e-9), 1)
    return [
        len(numbers),
        sum(numbers),
        numbers[0],
        numbers[-1],
        sum(numbers) / len(numbers),
        numbers[rank - 1],
    ]
