"""Two cohorts compared: what they share, and what only one has."""

from __future__ import annotations

import random

import pytest

from diana_common.errors import Reason
from diana_index.core.attributes import Level
from diana_index.core.cohorts import Comparison
from tests.contract.index.cohort_bench import CohortBench, fill, refused


def compare(bench: CohortBench, first: str, second: str, sample: int = 0) -> Comparison:
    return bench.cohorts.compare(first, second, sample, lambda: True)


@pytest.mark.parametrize("seed", range(4))
def test_a_comparison_is_that_of_sets(bench: CohortBench, seed: int) -> None:
    dice = random.Random(seed)
    for number in range(60):
        values = {"PatientID": dice.choice("ABCDEFGH"), "Modality": dice.choice(["CT", "MR"])}
        study = dice.randrange(25)
        bench.archive.store(f"1.{study}.1.{number}", study=f"1.{study}", series=f"1.{study}.1", **values)
    bench.catch_up()
    for level in Level:
        one, other = f"one{level}", f"other{level}"
        bench.create(one, level, {"PatientID": dice.sample("ABCDEFGH", 5)})
        bench.create(other, level, {"PatientID": dice.sample("ABCDEFGH", 5)})
        first, second = set(bench.members(one)), set(bench.members(other))
        bench.freeze(one, f"{one}-1")
        for left, right in ((one, other), (f"{one}-1", other)):
            found = compare(bench, left, right, 1000)
            counts = (found.common, found.first_only, found.second_only)
            assert counts == (len(first & second), len(first - second), len(second - first))
            assert found.first_sample == sorted(first - second)
            assert found.second_sample == sorted(second - first)
        same = compare(bench, one, f"{one}-1", 5)
        assert (same.common, same.first_only, same.second_only) == (len(first), 0, 0)
        assert compare(bench, one, other, 1).first_sample == sorted(first - second)[:1]


def test_cohorts_of_two_levels_are_not_compared(bench: CohortBench) -> None:
    bench.create("study", Level.STUDY)
    bench.create("series", Level.SERIES)
    with refused(Reason.COHORT_LEVELS_DIFFER):
        compare(bench, "study", "series")
    with refused(Reason.COHORT_NOT_FOUND):
        compare(bench, "study", "nobody")


def test_one_that_is_too_large_to_compare_can_be_once_it_is_frozen(
    bench: CohortBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diana_index.core.cohorts._MOST_COMPARED", 11)
    fill(bench)
    bench.create("all")
    bench.create("few", Level.STUDY, {"PatientID": "P1"})
    with refused(Reason.RESULT_TOO_LARGE) as large:
        compare(bench, "few", "all")
    assert large.value.fields[0].field == "second_cohort_id"
    bench.freeze("all", "all-1")
    assert compare(bench, "few", "all-1").second_only == 9


def test_names_of_a_difference_end_where_an_answer_has_no_more_room(
    bench: CohortBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diana_index.core.cohorts._SAMPLE_BYTES", 7)
    fill(bench)
    bench.create("all")
    bench.create("none", Level.STUDY, {"PatientID": "nobody"})
    assert [compare(bench, "all", "none", 100).first_only, len(compare(bench, "all", "none", 100).first_sample)] == [
        12,
        2,
    ]


def test_a_comparison_that_nobody_waits_for_is_given_up(bench: CohortBench) -> None:
    fill(bench)
    bench.create("all")
    bench.freeze("all", "all-1")
    with refused(Reason.OVERLOADED):
        bench.cohorts.compare("all-1", "all-1", 0, lambda: False)
