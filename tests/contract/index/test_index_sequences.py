"""Sequence matching (PS3.4 section C.2.2.2.6): one item must meet all keys of it."""

from __future__ import annotations

from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_index.core.attributes import Level
from diana_index.core.question import Asked, Key
from tests.unit.index.fake_archive import header
from tests.unit.index.index_bench import NO_WAIT, IndexBench

REQUEST = "RequestAttributesSequence"
STEP = "ScheduledProcedureStepID"
PROCEDURE = "RequestedProcedureID"


def _store(bench: IndexBench) -> None:
    items = [header(**{STEP: "S1", PROCEDURE: "P1"}), header(**{STEP: "S2", PROCEDURE: "P2"})]
    bench.archive.store("1.1.1", "1", "1.1", RequestAttributesSequence=items)
    bench.archive.store("2.1.1", "2", "2.1", RequestAttributesSequence=[header(**{STEP: "S1"})])
    bench.archive.store("3.1.1", "3", "3.1", RequestAttributesSequence=[])
    bench.archive.store("4.1.1", "4", "4.1")
    bench.catch_up()


def _studies(bench: IndexBench, *keys: Key, **more: Any) -> list[str]:
    asked = Asked("default", Level.STUDY, keys, **more)
    return [one.study_uid for one in bench.index.find(asked, (), (), 0, "", b"", NO_WAIT).records]


def _item(*inner: Key, name: str = REQUEST) -> Key:
    return Key(name, (), inner)


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        ([Key(STEP, ("S1",))], ["1", "2"]),
        ([Key(STEP, ("S1",)), Key(PROCEDURE, ("P1",))], ["1"]),
        ([Key(STEP, ("S1",)), Key(PROCEDURE, ("P2",))], []),  # of two items
        ([Key(STEP, ("S2", "S1")), Key(PROCEDURE, ("P2",))], ["1"]),
        ([Key(STEP, ("S*",)), Key(PROCEDURE, ("?2",))], ["1"]),
        ([Key(STEP, ("S1",)), Key(PROCEDURE, ("",))], ["1", "2"]),  # universal
        ([Key("00400009", ("S1",))], ["1", "2"]),
    ],
)
def test_one_item_meets_all_keys(bench: IndexBench, inner: list[Key], found: list[str]) -> None:
    _store(bench)
    assert _studies(bench, _item(*inner)) == found
    assert _studies(bench, _item(*inner, name="(0040,0275)")) == found


def test_keys_by_path_may_be_met_by_different_items(bench: IndexBench) -> None:
    _store(bench)
    assert _studies(bench, Key(f"{REQUEST}.{STEP}", ("S1",)), Key(f"{REQUEST}.{PROCEDURE}", ("P2",))) == ["1"]
    assert bench.uids(Level.STUDY, filter=f"{REQUEST}.{STEP} = S1 AND {REQUEST}.{PROCEDURE} = P2") == ["1"]
    assert bench.uids(Level.SERIES, filter=f"{REQUEST}.{STEP} != S1") == []
    assert bench.uids(Level.STUDY, {f"{REQUEST}.{STEP}": '""'}) == ["3", "4"]
    assert bench.uids(Level.STUDY, filter=f"{REQUEST}.{PROCEDURE}:*") == ["1"]
    assert bench.uids(Level.STUDY, filter=f"NOT {REQUEST}.{PROCEDURE}:*") == ["2", "3", "4"]


def test_items_of_a_lower_level_are_of_the_child_that_meets_the_rest(bench: IndexBench) -> None:
    items = [header(**{STEP: "S1"})]
    bench.archive.store("1.1.1", "1", "1.1", Modality="CT", RequestAttributesSequence=items)
    bench.archive.store("1.2.1", "1", "1.2", Modality="MR")
    bench.catch_up()
    assert _studies(bench, _item(Key(STEP, ("S1",))), Key("Modality", ("CT",))) == ["1"]
    assert _studies(bench, _item(Key(STEP, ("S1",))), Key("Modality", ("MR",))) == []
    assert _studies(bench, _item(Key(STEP, ("S1",))), filter="Modality = MR") == []


@pytest.mark.parametrize(
    ("key", "field", "reason"),
    [
        (_item(Key(STEP, ("",))), "matches[0].item", Reason.INVALID_FIELD),
        (_item(Key(STEP, ('""',))), "matches[0].item[0].values", Reason.INVALID_FIELD),
        (_item(Key("PatientID", ("x",))), "matches[0].item[0].attribute", Reason.KEY_UNSUPPORTED),
        (_item(Key("PatientID", ("x",)), name="PatientID"), "matches[0].attribute", Reason.KEY_UNSUPPORTED),
        (_item(Key(STEP, ("x" * 501,))), "matches[0].item[0].values[0]", Reason.INVALID_FIELD),
        (Key(REQUEST, ("x",), (Key(STEP, ("x",)),)), "matches[0].values", Reason.INVALID_FIELD),
        (Key(REQUEST), "matches[0].attribute", Reason.KEY_UNSUPPORTED),
        (_item(*[Key(STEP, ("x",))] * 17), "matches[0].item", Reason.INVALID_FIELD),
    ],
)
def test_an_item_that_cannot_be_asked_for_is_refused_by_name(
    bench: IndexBench, key: Key, field: str, reason: Reason
) -> None:
    with pytest.raises(DianaError) as refused:
        _studies(bench, key)
    assert (refused.value.reason, refused.value.fields[0].field) == (reason, field)
