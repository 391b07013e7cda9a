"""Pairing, verdicts and the shape of what `make bench` writes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.harness import Case, Pair, bound, describe, judge, measure, write
from bench.room import BenchError, Place, Room


def _case(**changes: object) -> Case:
    fields: dict[str, object] = {
        "name": "copying",
        "group": "archive",
        "unit": "files/s",
        "ours": lambda _: 300.0,
        "peer": lambda _: 200.0,
        "at_least": 1.0,
    }
    return Case(**(fields | changes))  # type: ignore[arg-type]


def _side(name: str, order: list[str]) -> Callable[[Place], float]:
    def run(_: Place) -> float:
        order.append(name)
        return float(len(order))

    return run


def test_both_sides_warm_up_and_then_take_turns_in_going_first(tmp_path: Path) -> None:
    order: list[str] = []
    case = _case(ours=_side("ours", order), peer=_side("peer", order))
    pairs = list(measure(case, Room(tmp_path), 3))
    assert order == ["ours", "peer", "ours", "peer", "peer", "ours", "ours", "peer"]
    assert pairs == [Pair(3.0, 4.0), Pair(6.0, 5.0), Pair(7.0, 8.0)]


def test_the_ratio_is_the_median_of_the_pairs_ratios_not_the_ratio_of_medians() -> None:
    result = judge(_case(), [Pair(100, 50), Pair(300, 300), Pair(200, 400)])
    assert (result.ours, result.peer, result.ratio) == (200, 300, 1.0)
    assert result.passed


def test_a_time_in_which_we_need_half_is_a_ratio_of_two() -> None:
    result = judge(_case(less_is_better=True, unit="ms"), [Pair(5, 10)] * 3)
    assert result.ratio == 2.0


def test_an_absolute_bound_stands_as_the_peer() -> None:
    case = _case(peer=bound(150.0))
    result = judge(case, [Pair(case.ours(Place(Path(), Path())), case.peer(Place(Path(), Path())))] * 3)
    assert (result.peer, result.ratio) == (150.0, 2.0)


def test_a_ratio_under_its_floor_does_not_pass_and_says_so() -> None:
    case = _case(at_least=2.0)
    pairs = [Pair(300, 200)] * 3
    result = judge(case, pairs)
    assert not result.passed
    assert "TOO LOW" in describe(case, result, pairs)


def test_the_line_for_people_has_medians_spread_ratio_and_floor() -> None:
    pairs = [Pair(100, 50), Pair(110, 50), Pair(120, 40)]
    line = describe(_case(), judge(_case(), pairs), pairs)
    assert line == "copying: ours 110 (100-120)  peer 50 (40-50) files/s  ratio 2.20 (2.00-3.00)  at least 1: ok"


def test_the_json_has_exactly_the_promised_keys(tmp_path: Path) -> None:
    case = _case(versions=lambda: {"orthanc": "1.10.1"})
    path = write(judge(case, [Pair(300, 200)] * 3), tmp_path / "out")
    assert path.name == "copying.json"
    assert json.loads(path.read_text()) == {
        "name": "copying",
        "ours": 300,
        "peer": 200,
        "unit": "files/s",
        "ratio": 1.5,
        "at_least": 1.0,
        "versions": {"orthanc": "1.10.1"},
    }


def test_two_pairs_give_no_verdict() -> None:
    with pytest.raises(BenchError, match="3 or more"):
        judge(_case(), [Pair(1, 1)] * 2)
    with pytest.raises(BenchError, match="3 or more"):
        _case(pairs=2)


def test_a_case_of_an_unknown_group_is_refused() -> None:
    with pytest.raises(BenchError, match="archive"):
        _case(group="archives")
