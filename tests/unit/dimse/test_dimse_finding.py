"""Queries of the Patient Root and Study Root models: what the index is asked, and what is made of its records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError, Reason
from diana_dimse.core.queries.finding import Agreement, Answers, Finding, Level, Question, Vocabulary
from diana_dimse.core.queries.identifiers import IdentifierMismatch, Key
from diana_dimse.core.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND

LEVELS = {"00100020": Level.PATIENT, "00100010": Level.PATIENT, "0020000D": Level.STUDY, "00080020": Level.STUDY}
LEVELS |= {"0020000E": Level.SERIES, "00080060": Level.SERIES, "00080018": Level.IMAGE, "00080201": Level.IMAGE}
NESTED = "00400275.00401001"
TEXT_X = {"vr": "SH", "Value": ["X"]}
HIERARCHICAL, RELATIONAL = Agreement(), Agreement(relational=True)


class FakeIndex:
    """Remembers what it was asked, and answers with what it was given."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self.records = records
        self.asked: list[Question] = []
        self.known = Vocabulary(frozenset(LEVELS) | {NESTED}, LEVELS)
        self.known_now = self.known

    def vocabulary(self, fresh: bool = False) -> Vocabulary:
        return self.known_now if fresh else self.known

    def find(self, question: Question) -> Iterator[DataSetJson]:
        self.asked.append(question)
        if any(key.tag not in self.known_now.matched for key in question.keys if not key.item):
            raise DianaError(Reason.KEY_UNSUPPORTED, "no such key")
        yield from self.records


def identifier(level: str, **keys: Any) -> dict[str, Any]:
    """Tags, written x00100020, and their values."""
    found: dict[str, Any] = {"00080052": {"vr": "CS", "Value": [level]}}
    for tag, value in keys.items():
        values = value if isinstance(value, list) else [value] if value else []
        found[tag[1:]] = {"vr": "SQ" if values and isinstance(values[0], dict) else "LO", "Value": values}
    return found


def _find(
    index: FakeIndex, asked: dict[str, Any], agreement: Agreement = HIERARCHICAL, model: str = STUDY_ROOT_FIND
) -> Answers:
    return Finding(index).find(model, "default", "DIANA", asked, agreement)


def test_answers_have_what_was_asked_for_and_where_to_retrieve_it() -> None:
    index = FakeIndex({"00100020": {"vr": "LO", "Value": ["P1"]}, "00080050": {"vr": "SH", "Value": ["A1"]}})
    found = _find(index, identifier("STUDY", x00100020="P1", x00080020=""))
    assert list(found.data_sets) == [
        {
            "00080052": {"vr": "CS", "Value": ["STUDY"]},
            "00080054": {"vr": "AE", "Value": ["DIANA"]},
            "00080056": {"vr": "CS", "Value": ["ONLINE"]},
            "00100020": {"vr": "LO", "Value": ["P1"]},
            "00080020": {"vr": "LO"},
        }
    ]
    assert not found.has_unsupported_keys
    (asked,) = index.asked
    assert asked.keys == (Key("00100020", "LO", ("P1",)),)
    assert set(asked.return_tags) == {"00100020", "00080020"}


@pytest.mark.parametrize(
    ("model", "level"), [(STUDY_ROOT_FIND, "PATIENT"), (PATIENT_ROOT_FIND, "WORLD"), (PATIENT_ROOT_FIND, "")]
)
def test_a_level_that_the_model_lacks_is_refused(model: str, level: str) -> None:
    with pytest.raises(IdentifierMismatch):
        _find(FakeIndex(), identifier(level, x00100020="P1"), model=model)


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (STUDY_ROOT_FIND, identifier("SERIES", x0020000E="")),
        (STUDY_ROOT_FIND, identifier("SERIES", x0020000D="")),
        (STUDY_ROOT_FIND, identifier("SERIES", x0020000D=["1.2", "1.3"])),
        (STUDY_ROOT_FIND, identifier("IMAGE", x0020000D="1.2")),
        (PATIENT_ROOT_FIND, identifier("STUDY", x00100020="P*")),
        (PATIENT_ROOT_FIND, identifier("SERIES", x0020000D="1.2")),
    ],
)
def test_a_hierarchical_query_names_one_record_of_each_level_above(model: str, asked: dict[str, Any]) -> None:
    with pytest.raises(IdentifierMismatch):
        _find(FakeIndex(), asked, model=model)
    _find(FakeIndex(), asked, RELATIONAL, model)


def test_a_hierarchical_query_down_to_an_image() -> None:
    index = FakeIndex()
    asked = identifier("IMAGE", x00100020="P1", x0020000D="1.2", x0020000E="1.2.3", x00080018="", x00281050="")
    _find(index, asked, model=PATIENT_ROOT_FIND)
    assert [key.values for key in index.asked[0].keys] == [("P1",), ("1.2",), ("1.2.3",)]
    assert "00281050" in index.asked[0].return_tags


@pytest.mark.parametrize(
    "asked",
    [
        identifier("STUDY", x00181030="CHEST"),
        identifier("STUDY", x00181030=""),
        identifier("STUDY", x00080060=""),
        identifier("STUDY", x00400275=[{"00401001": TEXT_X, "00400009": TEXT_X}]),
        {**identifier("STUDY"), "00100020": {"vr": "UN", "InlineBinary": "QUE="}},
    ],
)  # fmt: skip
def test_keys_that_are_not_supported_are_told_and_not_asked_for(asked: dict[str, Any]) -> None:
    index = FakeIndex()
    found = _find(index, asked)
    assert list(found.data_sets) == []
    assert found.has_unsupported_keys
    assert not {key.tag for key in index.asked[0].keys} & {"00181030", "00080060"}


def test_an_item_of_a_sequence_is_asked_for_and_answered_in_its_parts() -> None:
    held = {"00400275": {"vr": "SQ", "Value": [{"00401001": TEXT_X, "00400007": {"vr": "LO"}}]}}
    index = FakeIndex(held)
    asked = identifier("IMAGE", x0020000D="1.2", x0020000E="1.3", x00400275=[{"00401001": TEXT_X}])
    (answered,) = _find(index, asked).data_sets
    assert index.asked[0].keys[-1] == Key("00400275", "SQ", item=(Key("00401001", "SH", ("X",)),))
    assert answered["00400275"]["Value"] == [{"00401001": TEXT_X}]


def test_the_time_zone_and_the_retrieve_title_of_a_query_are_no_matching_keys() -> None:
    index = FakeIndex()
    _find(index, identifier("STUDY", x00080201="+0100", x00080054="OTHER", x00080056="ONLINE", x00080005="ISO_IR 100"))
    assert index.asked[0].keys == ()


def test_a_search_key_that_has_gone_is_left_out() -> None:
    index = FakeIndex({"00100020": {"vr": "LO", "Value": ["P1"]}})
    index.known = Vocabulary(index.known.matched | {"00180050"}, LEVELS)
    found = _find(index, identifier("STUDY", x00180050="5", x00100020="P1"))
    assert len(list(found.data_sets)) == 1
    assert found.has_unsupported_keys
    assert [len(one.keys) for one in index.asked] == [2, 1]


def test_what_was_negotiated_reaches_the_index() -> None:
    index = FakeIndex()
    _find(index, identifier("STUDY"), Agreement.of(b"\1\0\1\0\0"))
    assert index.asked[0].agreement == Agreement(relational=True, combined_date_times=False, fuzzy_names=True)
    assert Agreement.of(b"") == Agreement()
