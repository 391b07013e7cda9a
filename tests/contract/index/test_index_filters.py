"""Filters: every comparator with every kind of value, at every level, and how they are joined."""

from __future__ import annotations

from typing import Any

import pytest

from diana_index.core.attributes import Level
from diana_index.core.reports.report import make_report
from diana_index.core.store import PutReport
from tests.unit.index.index_bench import IndexBench

# attribute, what a record holds, a filter, whether a record meets it
CASES: list[tuple[str, Any, str, bool]] = [
    # Text.
    ("StudyDescription", "CT Thorax", 'StudyDescription = "CT Thorax"', True),
    ("StudyDescription", "CT Thorax", 'StudyDescription = "ct thorax"', False),
    ("StudyDescription", "CT Thorax", "StudyDescription = *Thor?x", True),
    ("StudyDescription", "CT Thorax", 'StudyDescription != "CT Thorax"', False),
    ("StudyDescription", "CT Thorax", "StudyDescription != MR*", True),
    ("StudyDescription", None, "StudyDescription != MR*", False),
    ("StudyDescription", None, "NOT StudyDescription = MR*", True),
    ("StudyDescription", "CT Thorax", "StudyDescription:thor", True),
    ("StudyDescription", "CT Thorax", "StudyDescription:THORAX", True),
    ("StudyDescription", "CT Thorax", "StudyDescription:head", False),
    ("StudyDescription", "CT Thorax", "StudyDescription:*", True),
    ("StudyDescription", None, "StudyDescription:*", False),
    ("StudyDescription", None, 'StudyDescription = ""', True),
    ("StudyDescription", None, 'StudyDescription != ""', False),
    ("StudyDescription", "x", 'StudyDescription = ""', False),
    ("StudyDescription", "x", 'StudyDescription != ""', True),
    ("StudyDescription", "x", "StudyDescription = *", True),
    ("StudyDescription", None, "StudyDescription = *", False),
    ("StudyDescription", None, "StudyDescription != *", False),
    ("StudyDescription", "b", "StudyDescription > a", True),
    ("StudyDescription", "b", "StudyDescription >= b", True),
    ("StudyDescription", "b", "StudyDescription < b", False),
    ("StudyDescription", None, "StudyDescription < z", False),
    ("StudyDescription", "100%_[x]\\'y", 'StudyDescription = "100%_[x]\\\\\'y"', True),
    ("StudyDescription", "100%_[x]\\'y", 'StudyDescription:"%_[x]\\\\"', True),
    ("StudyDescription", "100ab", 'StudyDescription:"%_"', False),
    ("StudyDescription", "x", "StudyDescription = \"x' OR '1'='1\"", False),
    ("Modality", "CT", "Modality = (MR OR CT)", True),
    ("Modality", "CT", "Modality = (MR OR US)", False),
    ("Modality", "CT", "00080060 = CT", True),
    ("Modality", "CT", '"(0008,0060)" = CT', True),
    # Names.
    ("PatientName", "Müller^Jo", 'PatientName = "MULLER^JO"', True),
    ("PatientName", "Müller^Jo", "PatientName = mull*", True),
    ("PatientName", "Müller^Jo", "PatientName:ller", True),
    ("PatientName", "Müller^Jo", "PatientName != muller*", False),
    ("PatientName", "Müller^Jo", 'PatientName >= m AND PatientName < "n"', True),
    ("PatientName", "Doe^Jane", 'PatientName = "^"', True),
    ("PatientName", None, 'PatientName = "^"', False),
    # UIDs.
    ("FrameOfReferenceUID", "1.2.3", "FrameOfReferenceUID = 1.2.3", True),
    ("FrameOfReferenceUID", "1.2.3", "FrameOfReferenceUID:1.2.3", True),
    ("FrameOfReferenceUID", "1.2.3", "FrameOfReferenceUID:1.2", False),
    ("FrameOfReferenceUID", "1.2.3", "FrameOfReferenceUID != 1.2", True),
    # Dates.
    ("StudyDate", "20260114", "StudyDate = 20260114", True),
    ("StudyDate", "20260114", "StudyDate = 20260101-20260131", True),
    ("StudyDate", "20260114", "StudyDate != 20260101-20260131", False),
    ("StudyDate", "20260114", "StudyDate >= 20260114 AND StudyDate < 20260115", True),
    ("StudyDate", "20260114", "StudyDate > 20260114", False),
    ("StudyDate", "20260114", "StudyDate <= 2026.01.14", True),
    ("StudyDate", None, "StudyDate < 20260114", False),
    ("StudyDate", "no date", "StudyDate:*", False),
    # Times and date-times: a value of lower precision is all it contains.
    ("StudyTime", "101530", "StudyTime > 1015", False),
    ("StudyTime", "101530", "StudyTime >= 1015", True),
    ("StudyTime", "101530", "StudyTime <= 1015", True),
    ("StudyTime", "101530", "StudyTime < 1016", True),
    ("AcquisitionDateTime", "20260114101500+0100", "AcquisitionDateTime < 20260114091501", True),
    ("AcquisitionDateTime", "20260114101500", "AcquisitionDateTime >= 2026", True),
    ("AcquisitionDateTime", "20260114101500", "AcquisitionDateTime > 2026", False),
    ("AcquisitionDateTime", "20260114101500", "AcquisitionDateTime = 2026-", True),
    # Numbers.
    ("SeriesNumber", 7, "SeriesNumber = 7.0", True),
    ("SeriesNumber", 7, "SeriesNumber:7", True),
    ("SeriesNumber", 7, "SeriesNumber > 6.5", True),
    ("SeriesNumber", 7, "SeriesNumber < 10", True),
    ("SeriesNumber", -7, "SeriesNumber < -1", True),
    ("SeriesNumber", 7, "SeriesNumber != 8", True),
    ("PatientWeight", "70.50", "PatientWeight <= 70.5", True),
    # Ages.
    ("PatientAge", "045Y", "PatientAge = 045Y", True),
    ("PatientAge", "045Y", "age = 45", True),
    ("PatientAge", "006M", "age < 1", True),
    ("PatientAge", "006M", "age:*", True),
    ("PatientAge", None, 'age = ""', True),
    # Several values: any of them.
    ("ImageType", ["ORIGINAL", "PRIMARY"], "ImageType = PRIMARY", True),
    ("ImageType", ["ORIGINAL", "PRIMARY"], "ImageType:prim", True),
    ("ImageType", ["ORIGINAL", "PRIMARY"], "ImageType != PRIMARY", False),
    ("ImageType", ["ORIGINAL", "PRIMARY"], "ImageType != AXIAL", True),
    ("ImageType", ["ORIGINAL", "PRIMARY"], "ImageType > P", True),
    ("ImageType", ['a"b', "c,", "d"], "ImageType = b", False),
    ("ImageType", ['a"b', "c,", "d"], 'ImageType = ","', False),
    ("ImageType", ['a"b', "c,", "d"], 'ImageType = "a\\"b"', True),
    ("OtherPatientIDs", ["A", "B"], "OtherPatientIDs = B", True),
    ("OtherStudyNumbers", [1, 20], "OtherStudyNumbers > 9", True),
    ("AccessionNumber", ["A", "B"], "AccessionNumber = B", True),
    ("AccessionNumber", ["A", "B"], "AccessionNumber != B", False),
    # What is counted and gathered.
    ("Modality", "CT", "ModalitiesInStudy = CT", True),
    ("Modality", "CT", "ModalitiesInStudy:c", True),
    ("Modality", "CT", "NumberOfStudyRelatedInstances = 1", True),
    ("Modality", "CT", "NumberOfPatientRelatedStudies > 1", False),
    ("SOPClassUID", "1.2.3", "SOPClassesInStudy = 1.2.3", True),
]


@pytest.mark.parametrize(("attribute", "held", "text", "met"), CASES)
def test_a_restriction_is_met_at_every_level_or_at_none(
    bench: IndexBench, attribute: str, held: Any, text: str, met: bool
) -> None:
    bench.archive.store("1.1.1", **{attribute: held})
    bench.archive.store("2.1.1", store="other", **{attribute: held})
    bench.catch_up()
    assert [bench.count(level, filter=text) for level in Level] == [int(met)] * 4


def _two_studies(bench: IndexBench) -> None:
    bench.archive.store(
        "1.1.1", "1", "1.1", PatientID="P1", StudyDate="20260101", Modality="PT", SeriesDescription="body"
    )
    bench.archive.store(
        "1.2.1", "1", "1.2", PatientID="P1", StudyDate="20260101", Modality="CT", SeriesDescription="dose"
    )
    bench.archive.store(
        "2.1.1", "2", "2.1", PatientID="P1", StudyDate="20260201", Modality="CT", SeriesDescription="body"
    )
    bench.archive.store("3.1.1", "3", "3.1", PatientID="P2", StudyDate="20260201")
    bench.catch_up()


@pytest.mark.parametrize(
    ("text", "studies"),
    [
        ("Modality = CT AND SeriesDescription = body", ["2"]),  # of one series
        ("Modality = CT SeriesDescription = body", ["2"]),
        ("(Modality = CT) AND (SeriesDescription = body)", ["2"]),
        ("Modality = PT AND Modality = CT", []),
        ("ModalitiesInStudy = PT AND ModalitiesInStudy = CT", ["1"]),
        ("Modality = CT OR SeriesDescription = body", ["1", "2"]),
        ("NOT Modality = CT", ["3"]),  # no such child, or no child with a value
        ("-Modality = CT", ["3"]),
        ("Modality != CT", ["1"]),  # a child with another value
        ('Modality = ""', ["3"]),
        ("Modality = CT AND NOT Modality = PT", ["2"]),
        ("NOT (Modality = CT AND SeriesDescription = body)", ["1", "3"]),
        ("NOT (NOT Modality = PT)", ["1"]),
        # OR binds more tightly than AND, as AIP-160 has it.
        ("PatientID = P2 OR Modality = CT AND StudyDate = 20260101", ["1"]),
        ("PatientID = P2 OR (Modality = CT AND StudyDate = 20260101)", ["1", "3"]),
        ("SOPInstanceUID = 1.1.1 AND Modality = CT", []),
        ("SOPInstanceUID = 1.2.1 AND Modality = CT", ["1"]),
        ("", ["1", "2", "3"]),
    ],
)
def test_what_is_joined_speaks_of_one_child_and_not_of_none(bench: IndexBench, text: str, studies: list[str]) -> None:
    _two_studies(bench)
    assert bench.uids(Level.STUDY, filter=text) == studies


def test_a_filter_and_keys_must_both_be_met_by_one_child(bench: IndexBench) -> None:
    _two_studies(bench)
    assert bench.uids(Level.STUDY, {"Modality": "CT"}, filter="SeriesDescription = body") == ["2"]
    assert bench.uids(Level.PATIENT, {"Modality": "PT"}, filter="StudyDate = 20260201") == []
    assert bench.uids(Level.PATIENT, {"Modality": "CT"}, filter="StudyDate = 20260201") == ["P1"]


WORDS = [
    ("thorax", True),
    ("THÓRAX", True),
    ('"low dose"', True),
    ('"dose low"', False),
    ("thor*", True),
    ("thor", False),
    ("scout", True),
    ('"ct scout"', False),
    ("normal", True),
    ("abnormal", False),
    ("-thorax", False),
    ("NOT abnormal", True),
    ("thorax scout normal", True),
    ("thorax OR nothing", True),
    ('"thorax" OR "*"', True),
]


@pytest.mark.parametrize(("text", "met"), WORDS[:-1])
def test_words_are_looked_for_in_descriptions_and_reports_at_every_level(
    bench: IndexBench, text: str, met: bool
) -> None:
    bench.archive.store("1.1.1", PatientID="P1", StudyDescription="CT Thorax low dose", SeriesDescription="Scout")
    bench.catch_up()
    _report(bench, "1", "Lungs: normal.")
    assert [bench.count(level, filter=text) for level in Level] == [int(met)] * 4


def test_words_at_patient_level_are_of_the_study_that_the_rest_speaks_of(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", "1", "1.1", PatientID="P1", StudyDate="20250101", StudyDescription="hip fracture")
    bench.archive.store("2.1.1", "2", "2.1", PatientID="P1", StudyDate="20260101", StudyDescription="control")
    bench.catch_up()
    _report(bench, "1", "BI-RADS 4A")
    assert bench.uids(Level.PATIENT, filter="fracture AND StudyDate < 20260101") == ["P1"]
    assert bench.uids(Level.PATIENT, filter="fracture AND StudyDate >= 20260101") == []
    assert bench.uids(Level.PATIENT, filter="report.bi_rads = 4A AND StudyDate >= 20260101") == []
    assert bench.uids(Level.PATIENT, filter="fracture AND control") == []
    assert bench.uids(Level.PATIENT, filter="NOT nothing") == ["P1"]


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("report.bi_rads = 4A", True),
        ("report.bi_rads = 4a", True),
        ("report.bi_rads = 4", True),
        ("report.bi_rads = 4B", False),
        ("report.bi_rads >= 4", True),
        ("report.bi_rads > 4", False),
        ("report.bi_rads != 4B", True),
        ("report.bi_rads != 4A", False),
        ("report.bi_rads:*", True),
        ("report.smoking = former", True),
        ("report.smoking = Former", True),
        ("report.pack_years >= 30", True),
        ("report.pack_years < 30", False),
        ("report.radcat != 1", False),  # no such finding
        ("NOT report.radcat = 1", True),
        ("report.bone_age:*", False),
    ],
)
def test_what_reports_find_is_compared_at_every_level(bench: IndexBench, text: str, met: bool) -> None:
    bench.archive.store("1.1.1", PatientID="P1")
    bench.catch_up()
    _report(bench, "1", "Former smoker, 37.5 pack-years. BI-RADS 4A.")
    assert [bench.count(level, filter=text) for level in Level] == [int(met)] * 4


def _report(bench: IndexBench, study_uid: str, text: str) -> None:
    with bench.generations.active() as generation:
        generation.write([PutReport(1, "default", make_report("r1", study_uid, "", text))], 1)
