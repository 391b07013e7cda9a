"""The identifiers that we send to peers, and which studies a selection asks for."""

from __future__ import annotations

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.core.outbound.asking import Match, found_study, inquiry, study_identifier
from diana_dimse.core.outbound.getting import MOST_CONTEXTS, storage_wishes
from diana_dimse.core.outbound.selecting import by_accession, by_dates, by_study
from diana_dimse.core.queries.finding import Level
from diana_dimse.core.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND, storage_classes


def test_a_query_asks_for_the_levels_usual_attributes_and_for_others() -> None:
    asked = inquiry(Level.STUDY, [Match("PatientID", ("P1",))], ["StationName", "(0008,0070)", "00091001"])
    assert asked.sop_class == STUDY_ROOT_FIND
    assert asked.identifier["00080052"] == {"vr": "CS", "Value": ["STUDY"]}
    assert asked.identifier["00100020"] == {"vr": "LO", "Value": ["P1"]}
    assert asked.identifier["00201208"] == {"vr": "IS"}
    assert {"00081010", "00080070", "00091001"} <= asked.identifier.keys()
    assert inquiry(Level.PATIENT, []).sop_class == PATIENT_ROOT_FIND


def test_several_values_and_an_item_of_a_sequence_are_matched() -> None:
    asked = inquiry(
        Level.STUDY,
        [
            Match("ModalitiesInStudy", ("CT", "MR")),
            Match("RequestAttributesSequence", item=(Match("ScheduledProcedureStepID", ("X",)),)),
        ],
    )
    assert asked.identifier["00080061"]["Value"] == ["CT", "MR"]
    assert asked.identifier["00400275"] == {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["X"]}}]}


@pytest.mark.parametrize(
    "match",
    [
        Match("NoSuchThing", ("1",)),
        Match("SpecificCharacterSet", ("ISO_IR 100",)),
        Match("QueryRetrieveLevel", ("IMAGE",)),
        Match("PixelData", ("1",)),
        Match("Rows", ("many",)),
        Match("RequestAttributesSequence", ("X",)),
        Match("PatientID", item=(Match("PatientName", ("X",)),)),
        Match("(0002,0010)", ("1.2",)),
    ],
)
def test_what_no_query_can_hold_is_refused(match: Match) -> None:
    with pytest.raises(DianaError) as refused:
        inquiry(Level.STUDY, [match])
    assert refused.value.reason is Reason.KEY_UNSUPPORTED


def test_only_a_query_that_lacks_a_unique_key_above_needs_relational_ones() -> None:
    study = Match("StudyInstanceUID", ("1.2",))
    assert not inquiry(Level.STUDY, []).needs_relational
    assert not inquiry(Level.SERIES, [study]).needs_relational
    assert inquiry(Level.SERIES, []).needs_relational
    assert inquiry(Level.IMAGE, [study]).needs_relational
    assert not inquiry(Level.IMAGE, [study, Match("SeriesInstanceUID", ("1.3",))]).needs_relational


def test_an_answer_names_a_study_and_what_the_peer_tells_of_it() -> None:
    uid, told = {"vr": "UI", "Value": ["1.2"]}, {"vr": "IS", "Value": [7]}
    assert found_study({"0020000D": uid}) is not None
    found = found_study({"0020000D": uid, "00201208": told, "00080062": {"vr": "UI", "Value": ["1.2.3", "1.2.4"]}})
    assert found is not None
    assert (found.instance_count, found.sop_classes) == (7, ("1.2.3", "1.2.4"))
    assert found_study({}) is None
    assert found_study({"0020000D": {"vr": "UI", "Value": ["none"]}}) is None
    odd = found_study({"0020000D": uid, "00201208": {"vr": "IS", "Value": ["a lot"]}})
    assert odd is not None and odd.instance_count == 0


def test_a_study_is_retrieved_by_its_uid_alone() -> None:
    assert set(study_identifier("1.2")) == {"00080052", "0020000D"}


def test_a_list_is_asked_for_in_steps_each_value_once() -> None:
    selection = by_study([f"1.{number % 250}" for number in range(300)])
    steps = [selection.step(number) for number in range(selection.step_count)]
    assert [len(one) for one in steps] == [100, 100, 50]
    assert selection.study_count == 250
    [question] = by_accession([" A1 "]).step(0)
    assert question.item == "A1"
    assert question.fits({"00080050": {"vr": "SH", "Value": ["A1"]}})
    assert not question.fits({"00080050": {"vr": "SH", "Value": ["A2"]}})
    assert not question.fits({})


def test_days_are_swept_in_steps_to_the_last_day_included() -> None:
    selection = by_dates("20251230", "20260110", 5, [Match("ModalitiesInStudy", ("CT",))])
    items = [selection.step(number)[0].item for number in range(selection.step_count)]
    assert items == ["20251230-20260103", "20260104-20260108", "20260109-20260110"]
    [day] = by_dates("20260101", "20260101", 1, []).step(0)
    assert day.item == "20260101"
    assert day.fits({"00080020": {"vr": "DA", "Value": ["20260101"]}})
    assert not day.fits({"00080020": {"vr": "DA", "Value": ["20260102"]}})
    assert by_dates("00010101", "99991231", 1, []).step(3_652_058)[0].item == "99991231"


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [("20260230", "20260301", "first_date"), ("20260101", "2026abcd", "last_date"), ("20260102", "20260101", "last")],
)
def test_what_is_no_span_of_days_is_refused(first: str, last: str, field: str) -> None:
    with pytest.raises(DianaError, match=field) as refused:
        by_dates(first, last, 1, [])
    assert refused.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize("number", ["A*", "A?", "A\\B", "  "])
def test_an_accession_number_that_would_match_others_is_refused(number: str) -> None:
    with pytest.raises(DianaError) as refused:
        by_accession(["A1", number])
    assert refused.value.reason is Reason.INVALID_FIELD


def test_every_known_sop_class_has_its_compressions_alone() -> None:
    wishes = storage_wishes(["1.2.840.10008.5.1.4.1.1.2", "not a uid"])
    assert {one for one, _ in wishes} == {"1.2.840.10008.5.1.4.1.1.2"}
    assert all(len(syntaxes) == 1 for _, syntaxes in wishes[1:])


@pytest.mark.parametrize("count", [0, 1, 2, 20, 64, 127, 200])
def test_an_association_has_room_for_all_that_is_proposed(count: int) -> None:
    classes = sorted(storage_classes())[:count]
    wishes = storage_wishes(classes)
    assert len(wishes) <= MOST_CONTEXTS
    assert len({one for one, _ in wishes}) == (count if 0 < count < MOST_CONTEXTS else MOST_CONTEXTS)
    assert STUDY_ROOT_FIND not in dict(wishes)
