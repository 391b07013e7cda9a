"""Matching of plain data, as C-FIND matches headers."""

from __future__ import annotations

from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.items import Item
from diana_endpoints.matching import answers, meets
from diana_endpoints.protocol.query import Query

_ROW: dict[str, Any] = {
    "name": "DOE^JANE",
    "date": "20240115",
    "kinds": ["CT", "MR"],
    "count": 12,
    "done": True,
    "none": None,
    "text": "a\n[b]",
    "item": {"name": "xy"},
    "items": [{"name": "y", "count": 1}, {"name": "x", "count": 1}, "x"],
}


@pytest.mark.parametrize(
    "matches",
    [
        {},
        {"name": ["DOE^JANE"]},
        {"name": "DOE*"},
        {"name": ["ROE*", "?OE^J*"]},
        {"name": [""], "absent": ["*"]},
        {"date": ["20240101-20240131"], "count": ["12"]},
        {"date": ["-20240115"]},
        {"date": ["20240115-"]},
        {"kinds": ["MR"]},
        {"done": ["true"], "none": [""]},
        {"text": ["*[b]"]},
        {"sequence": {"name": [""]}, "name": {}},
        {"items": {"name": ["x"], "count": ["1"]}},
        {"item": {"name": "x*"}},
    ],
)
def test_what_meets(matches: Any) -> None:
    assert meets(_ROW, matches)


@pytest.mark.parametrize(
    "matches",
    [
        {"name": ["DOE"]},
        {"name": ["doe*"]},
        {"name": ["DOE*"], "count": ["13"]},
        {"date": ["20240116-"]},
        {"date": ["20230101-20231231"]},
        {"kinds": ["US"]},
        {"absent": ["x"]},
        {"text": ["*[ab]"]},
        {"none": ["?*"]},
        {"name": []},
        {"name": ()},
        {"name": {"part": ["DOE"]}},
        {"absent": {"name": ["x"]}},
        {"items": {"name": ["x"], "count": ["2"]}},
        {"items": {"name": []}},
    ],
)
def test_what_does_not(matches: Any) -> None:
    assert not meets(_ROW, matches)


def test_a_hostile_pattern_takes_no_time_worth_speaking_of() -> None:
    assert not meets({"name": "a" * 5000}, {"name": ["*a" * 40 + "*b"]})


@pytest.mark.parametrize(
    "query",
    [
        Query("study", {}, store="other"),
        Query("study", {}, combined_date_times=True),
        Query("study", {}, where="x > 1"),
        Query("patient", {}),
        Query("series", {}),
    ],
)
def test_what_would_be_passed_over_is_refused(query: Query) -> None:
    with pytest.raises(DianaError) as refused:
        list(answers([Item(data=_ROW)], query))
    assert refused.value.reason is Reason.KEY_UNSUPPORTED


def test_metadata_and_data_are_matched_and_returned() -> None:
    query = Query("instance", {"id": ["a"]}, return_keys=("id", "name"))
    [found] = answers([Item({"id": "a"}, data=dict(_ROW)), Item({"id": "b"}, data=dict(_ROW))], query)
    assert found.data == {"id": "a", "name": "DOE^JANE"}


@pytest.mark.parametrize("matches", [{"a": []}, {"a": ["x"], "b": ()}, {"a": {"b": {"c": []}}}])
def test_a_list_without_values_is_no_question(matches: Any) -> None:
    with pytest.raises(DianaError, match="has no values") as refused:
        Query("study", matches)
    assert refused.value.reason is Reason.INVALID_FIELD


def _scheduled(*step_ids: str) -> Item:
    steps = [{"00400009": {"vr": "SH", "Value": [one]}, "00400007": {"vr": "LO", "Value": ["CT"]}} for one in step_ids]
    return Item(header={"00400275": {"vr": "SQ", "Value": steps}})


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"ScheduledProcedureStepID": ["B"]}, 1),
        ({"ScheduledProcedureStepID": ["?"], "ScheduledProcedureStepDescription": ["CT"]}, 2),
        ({"ScheduledProcedureStepID": ["ZZZ"]}, 0),
        ({"ScheduledProcedureStepID": [""]}, 3),
        ({}, 3),
    ],
)
def test_the_items_of_a_headers_sequence_are_matched(wanted: Any, count: int) -> None:
    items = [_scheduled("A"), _scheduled("A", "B"), Item(header={"00080060": {"vr": "CS", "Value": ["CT"]}})]
    assert len(list(answers(items, Query("instance", {"RequestAttributesSequence": wanted})))) == count
