"""What records say, and how they follow what happens to their instances."""

from __future__ import annotations

import json

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.tags import tag_hex, tag_of
from diana_index.core.attributes import ATTRIBUTES, Level
from diana_index.core.feeding import Feeder
from diana_index.core.store import Mark
from tests.unit.index.index_bench import IndexBench

CT, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.67"


def tag(keyword: str) -> str:
    return tag_hex(tag_of(keyword) or 0)


def values(elements: dict[str, dict[str, list[object]]], keyword: str) -> list[object]:
    return elements[tag(keyword)].get("Value", [])


def test_every_level_answers_with_its_usual_and_counted_attributes(bench: IndexBench) -> None:
    bench.archive.store(
        "1.1.1", PatientID="P1", PatientName="Doe^Jane", Modality="CT", SOPClassUID=CT, StudyID="S", InstanceNumber=1
    )
    bench.archive.store("1.2.1", series="1.2", PatientID="P1", PatientName="Doe^Jane", Modality="SR", SOPClassUID=SR)
    bench.archive.store("1.2.2", series="1.2", PatientID="P1", PatientName="Doe^Jane", Modality="SR", SOPClassUID=SR)
    bench.catch_up()

    patient = bench.one(Level.PATIENT)
    assert values(patient, "PatientName") == [{"Alphabetic": "Doe^Jane"}]
    counted = ["NumberOfPatientRelatedStudies", "NumberOfPatientRelatedSeries", "NumberOfPatientRelatedInstances"]
    assert [values(patient, one) for one in counted] == [[1], [2], [3]]

    study = bench.one(Level.STUDY)
    assert values(study, "ModalitiesInStudy") == ["CT", "SR"]
    assert values(study, "SOPClassesInStudy") == [CT, SR]
    assert values(study, "NumberOfStudyRelatedSeries") == [2]
    assert values(study, "NumberOfStudyRelatedInstances") == [3]
    assert values(study, "PatientID") == ["P1"]
    assert list(study) == sorted(study)
    assert tag("StudyID") not in study  # the newest instance has none

    records = bench.find(Level.SERIES).records
    assert [record.instance_count for record in records] == [1, 2]
    assert values(json.loads(records[1].dicom_json), "NumberOfSeriesRelatedInstances") == [2]
    assert [(one.patient_id, one.study_uid, one.series_uid) for one in records] == [
        ("P1", "1", "1.1"),
        ("P1", "1", "1.2"),
    ]
    record = bench.find(Level.INSTANCE).records[0]
    assert (record.patient_id, record.study_uid, record.series_uid, record.sop_uid) == ("P1", "1", "1.1", "1.1.1")
    assert values(json.loads(record.dicom_json), "InstanceNumber") == [1]


def test_asked_for_attributes_come_from_the_header_at_instance_level(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", PatientID="P1", KVP=120, StationName="CT1", PatientName="Doe^J", Modality="CT")
    bench.catch_up()
    returned = ["KVP", "00080060", "PatientName", "ModalitiesInStudy", "PixelSpacing"]
    elements = bench.one(Level.INSTANCE, returned)
    assert values(elements, "KVP") == [120]
    assert values(elements, "Modality") == ["CT"]
    assert values(elements, "ModalitiesInStudy") == ["CT"]
    assert values(elements, "PatientName") == [{"Alphabetic": "Doe^J"}]
    assert tag("PixelSpacing") not in elements
    assert tag("StationName") not in elements


def test_asked_for_attributes_come_from_the_records_at_higher_levels(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", PatientID="P1", StationName="CT1", StudyDescription="Thorax", PatientName="Doe^J")
    bench.catch_up()
    elements = bench.one(Level.SERIES, ["StationName", "StudyDescription", "PatientName"])
    assert values(elements, "StationName") == ["CT1"]
    assert values(elements, "StudyDescription") == ["Thorax"]
    assert values(elements, "PatientName") == [{"Alphabetic": "Doe^J"}]
    for name, reason in (
        ("KVP", Reason.KEY_UNSUPPORTED),
        ("Rows", Reason.KEY_UNSUPPORTED),
        ("x", Reason.INVALID_FIELD),
    ):
        with pytest.raises(DianaError) as refused:
            bench.find(Level.SERIES, returned=["Modality", name])
        assert (refused.value.reason, refused.value.fields[0].field) == (reason, "return_keys[1]")


def test_a_record_reflects_its_newest_instance_and_falls_back_when_that_is_deleted(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", PatientID="P1", StudyDescription="first", Modality="CT")
    bench.archive.store("1.1.2", PatientID="P1", StudyDescription="second", Modality="MR")
    bench.catch_up()
    assert bench.count(Level.STUDY, {"StudyDescription": "second", "ModalitiesInStudy": "MR"}) == 1
    bench.archive.delete("1.1.2")
    bench.catch_up()
    assert bench.count(Level.STUDY, {"StudyDescription": "first", "ModalitiesInStudy": "CT"}) == 1
    assert bench.count(Level.STUDY, {"StudyDescription": "second"}) == 0
    bench.archive.restore("1.1.2")
    bench.catch_up()
    assert bench.count(Level.STUDY, {"StudyDescription": "second"}) == 1


def test_records_go_with_their_last_instance(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", PatientID="P1", OtherPatientIDs=["A", "B"])
    bench.archive.store("2.1.1", study="2", series="2.1", PatientID="P2")
    bench.catch_up()
    bench.archive.delete("1.1.1")
    bench.catch_up()
    assert [bench.count(level) for level in Level] == [1, 1, 1, 1]
    assert bench.uids(Level.PATIENT, {"OtherPatientIDs": "A"}) == []
    bench.archive.delete("2.1.1")
    bench.catch_up()
    assert [bench.count(level) for level in Level] == [0, 0, 0, 0]


def test_a_new_version_takes_the_place_of_the_old_even_in_another_study(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", study="1", series="1.1", PatientID="P1", InstanceNumber=1)
    bench.archive.store("1.1.1", study="2", series="2.1", PatientID="P2", InstanceNumber=2)
    bench.catch_up()
    assert bench.uids(Level.STUDY) == ["2"]
    assert bench.uids(Level.PATIENT) == ["P2"]
    assert bench.uids(Level.INSTANCE, {"InstanceNumber": "1"}) == []


def test_a_restore_brings_back_the_current_version_only(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", InstanceNumber=1)
    bench.archive.store("1.1.1", InstanceNumber=2)
    bench.catch_up()
    bench.archive.delete("1.1.1")
    bench.catch_up()
    assert bench.count(Level.INSTANCE) == 0
    bench.archive.restore("1.1.1")
    bench.catch_up()
    assert bench.uids(Level.INSTANCE, {"InstanceNumber": "2"}) == ["1.1.1"]


def test_what_was_stored_anew_after_a_delete_stays_when_the_old_comes_back(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", InstanceNumber=1)
    bench.archive.delete("1.1.1")
    bench.archive.store("1.1.1", InstanceNumber=2)
    bench.archive.restore("1.1.1")
    bench.catch_up()
    assert bench.uids(Level.INSTANCE, {"InstanceNumber": "2"}) == ["1.1.1"]


def test_a_patient_is_an_id_with_its_issuer_and_an_empty_id_is_nobody(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", study="1", series="1.1", PatientID="P1", IssuerOfPatientID="A")
    bench.archive.store("2.1.1", study="2", series="2.1", PatientID="P1", IssuerOfPatientID="B")
    bench.archive.store("3.1.1", study="3", series="3.1", PatientID="P1", IssuerOfPatientID="A")
    bench.archive.store("4.1.1", study="4", series="4.1", PatientID=None)
    bench.archive.store("5.1.1", study="5", series="5.1")
    bench.catch_up()
    assert sorted(bench.uids(Level.PATIENT)) == ["", "", "P1", "P1"]
    assert bench.count(Level.PATIENT, {"PatientID": "P1", "NumberOfPatientRelatedStudies": "2"}) == 1


def test_a_study_whose_newest_instance_names_another_patient_moves_to_them(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", PatientID="P1")
    bench.catch_up()
    bench.archive.store("1.1.2", PatientID="P2")
    bench.catch_up()
    assert bench.uids(Level.PATIENT) == ["P2"]
    assert bench.one(Level.PATIENT)[tag("NumberOfPatientRelatedInstances")]["Value"] == [2]
    bench.archive.delete("1.1.2")
    bench.catch_up()
    assert bench.uids(Level.PATIENT) == ["P1"]


def test_stores_know_nothing_of_each_other(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", PatientID="P1", store="default")
    bench.archive.store("1.1.1", PatientID="P9", store="research")
    bench.catch_up()
    assert bench.uids(Level.PATIENT) == ["P1"]
    assert bench.uids(Level.PATIENT, store="research") == ["P9"]
    assert bench.uids(Level.PATIENT, {"SOPInstanceUID": "1.1.1"}, store="research") == ["P9"]
    assert bench.uids(Level.PATIENT, store="unheard-of") == []
    totals, _ = bench.index.totals("research", lambda: True)
    assert (totals.patients, totals.studies, totals.series, totals.instances) == (1, 1, 1, 1)


def test_applying_entries_again_changes_nothing(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", PatientID="P1", StudyDescription="first")
    bench.archive.store("1.1.2", PatientID="P1", StudyDescription="second")
    bench.catch_up()
    before = bench.find(Level.STUDY).records
    again = next(iter(bench.archive.watch("")))
    with bench.generations.active() as generation:
        generation.apply([], Mark())
        Feeder(bench.archive, generation, bench.listener).feed(again)
    assert bench.find(Level.STUDY).records == before


def test_a_header_too_large_for_the_feed_is_asked_for(bench: IndexBench) -> None:
    bench.archive.inline = 10
    bench.archive.store("1.1.1", PatientID="P1")
    bench.archive.store("1.1.2", PatientID="P1")
    bench.archive.delete("1.1.2")
    bench.catch_up()
    assert bench.uids(Level.INSTANCE, {"PatientID": "P1"}) == ["1.1.1"]


def test_an_instance_purged_before_it_was_read_hides_what_it_replaced(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", PatientID="old")
    bench.archive.store("1.1.1", PatientID="new")
    bench.archive.delete("1.1.1")
    bench.archive.purge("1.1.1")
    bench.archive.store("1.1.2", PatientID="P1")
    bench.catch_up()
    assert bench.uids(Level.PATIENT) == ["P1"]


@pytest.mark.parametrize(
    "poison",
    [b"", b"[]", b"{", b'{"a":' * 100_000, b'"x"', b"\xff\xfe", b'{"00100020":' + b"9" * 5000 + b"}"],
    ids=["empty", "list", "cut", "deep", "text", "binary", "long number"],
)
def test_a_poisonous_header_is_skipped_and_the_next_one_indexed(bench: IndexBench, poison: bytes) -> None:
    bench.archive.store_raw("1.1.1", poison)
    bench.archive.store("1.1.2", PatientID="P2")
    bench.catch_up()
    assert bench.listener.skips == ["1.1.1"]
    assert bench.uids(Level.INSTANCE) == ["1.1.2"]


@pytest.mark.parametrize(
    "element",
    [
        "7",
        "null",
        "[]",
        "{}",
        '{"vr":"LO","Value":"text"}',
        '{"vr":"LO","Value":[null,[1],{"a":1},true]}',
        '{"vr":"LO","Value":["\\ud800","\\u0000"]}',
        '{"vr":"LO","Value":[1e999]}',
        '{"vr":"LO","Value":[' + "9" * 400 + "]}",
        '{"vr":"LO","Value":[' + "[" * 500 + "]" * 500 + "]}",
        '{"vr":"PN","Value":[{"Alphabetic":7,"Phonetic":["x"]},"A^B",null,3]}',
    ],
)
def test_an_element_of_any_shape_does_no_harm(bench: IndexBench, element: str) -> None:
    everything = {one.tag for attributes in ATTRIBUTES.values() for one in attributes}
    body = "{" + ",".join(f'"{one}":{element}' for one in sorted(everything)) + "}"
    bench.archive.store_raw("1.1.1", body.encode())
    bench.archive.store("2.1.1", study="2", series="2.1", PatientID="P2")
    bench.catch_up()
    assert bench.count(Level.INSTANCE) == 2
    for level in Level:
        order = ["PatientName", "PatientID"]
        for record in bench.find(level, order=order, returned=["PatientComments"]).records:
            json.loads(record.dicom_json)
    bench.archive.delete("1.1.1")
    bench.catch_up()
    assert bench.uids(Level.STUDY) == ["2"]
