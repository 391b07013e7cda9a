"""C-FIND's matching (PS3.4 section C.2.2.2), key by key, through every store."""

from __future__ import annotations

from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.header import read_header
from diana_index.core.attributes import Level
from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.index.index_bench import IndexBench

NAME = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}

# attribute, what a record holds, the key's value or values, whether it matches
CASES: list[tuple[str, Any, str | list[str], bool]] = [
    # Single value: exactly, and case matters.
    ("PatientID", "P1", "P1", True),
    ("PatientID", "P1", "p1", False),
    ("PatientID", "P1", "P", False),
    ("PatientID", "P1 ", " P1 ", True),
    ("PatientID", "P1", "P2", False),
    ("PatientID", None, "P1", False),
    ("StudyDescription", "CT Thorax", "CT Thorax", True),
    ("StudyDescription", "CT Thorax", "CT  Thorax", False),
    ("StudyDescription", "R\u00f6ntgen", "Ro\u0308ntgen", True),
    ("StudyDescription", "x' OR '1'='1", "x' OR '1'='1", True),
    ("StudyDescription", "x", "x' OR '1'='1", False),
    # Universal: empty, or a star alone; records without a value too.
    ("PatientID", None, "", True),
    ("PatientID", None, "*", True),
    ("PatientName", None, "  ", True),
    ("StudyDate", None, "*", True),
    ("PatientID", "P1", [], True),
    ("PatientID", "P1", ["nothing", ""], True),
    # Two quotation marks: records without a value.
    ("PatientID", None, '""', True),
    ("PatientID", "P1", '""', False),
    ("PatientName", None, '""', True),
    ("PatientName", "Doe^Jane", '""', False),
    ("StudyDate", None, ' "" ', True),
    ("StudyDate", "20260114", '""', False),
    ("StudyDate", "20260114", ['""', "20260101-20260131"], True),
    ("StudyDate", "20260201", ['""', "20260101-20260131"], False),
    ("StudyDate", None, ['""', "20260101-20260131"], True),
    ("SeriesNumber", None, '""', True),
    ("SeriesNumber", 7, '""', False),
    ("ImageType", None, '""', True),
    ("ImageType", ["ORIGINAL", "PRIMARY"], '""', False),
    ("ImageType", None, ['""', "AXIAL"], True),
    ("OtherPatientIDs", [None, "B"], '""', False),
    ("StudyDescription", '"', '""', False),
    # Wildcards.
    ("PatientID", "P123", "P*", True),
    ("PatientID", "P123", "P?23", True),
    ("PatientID", "P123", "P?3", False),
    ("PatientID", "P123", "*2*", True),
    ("PatientID", "P123", "p*", False),
    ("PatientID", "P", "P*", True),
    ("PatientID", "P", "P?", False),
    ("PatientID", None, "?*", False),
    ("PatientID", "P[1]", "P[1]*", True),
    ("PatientID", "P1", "P[1]*", False),
    ("PatientID", "P[^1]x", "P[^1]?", True),
    ("PatientID", "100%_x", "100%_?", True),
    ("PatientID", "100ab", "100%?", False),
    ("StudyDescription", "\u00e4\u00f6", "??", True),
    ("StudyDescription", "a\nb", "a?b", True),
    # Values that hold wildcards themselves are still matched by the same characters.
    ("PatientID", "A*B?", "A*B?", True),
    ("PatientID", "A*B?", "AxB*", False),
    ("PatientID", "AxBy", "A*B?", True),
    ("PatientName", "Wild*Card^Who?", "Wild*Card^Who?", True),
    # Person names: any case, components, words, groups, accents.
    ("PatientName", "Doe^Jane", "DOE^JANE", True),
    ("PatientName", "Doe^Jane", "doe^jane^^^", True),
    ("PatientName", "Doe^Jane^^", "doe^jane", True),
    ("PatientName", "Doe ^Jane", "doe^ jane", True),
    ("PatientName", "Doe^Jane", "doe jane", True),
    ("PatientName", "Doe^Jane^Ann^Dr", "doe jane", True),
    ("PatientName", "Doe^Jane", "jane doe", False),
    ("PatientName", "Doe^Jane", "doe", False),
    ("PatientName", "Doe^Jane", "doe j*", True),
    ("PatientName", "Doe^Jane", "doe*", True),
    ("PatientName", "Doe^Jane", "DOE^J*", True),
    ("PatientName", "Doe^Jane", "*^jane", True),
    ("PatientName", "Doe^Jane", "d?e^*", True),
    ("PatientName", "Doe", "doe^*", True),
    ("PatientName", "Doe", "*^*", True),
    ("PatientName", None, "*^*", False),
    ("PatientName", "Doe", "doe^?*", False),
    ("PatientName", "M\u00fcller^Jo", "MU\u0308LLER^JO", True),
    ("PatientName", "M\u00fcller^Jo", "Muller^Jo", True),
    ("PatientName", "Muller^Jo", "M\u00dcLLER^J*", True),
    ("PatientName", "M\u00fcller^Jo", "Mueller^Jo", False),
    ("PatientName", "S\u00f8rensen^\u0141ukasz", "sorensen^lukasz", True),
    ("PatientName", "Stra\u00dfer^A", "STRASSER^A", True),
    ("PatientName", "=\u304b", "=\u304c", False),
    ("StudyDescription", "R\u00f6ntgen", "Rontgen", False),
    ("PatientName", NAME, "yamada^tarou", True),
    ("PatientName", NAME, "山田^太郎", True),
    ("PatientName", NAME, "山田*", True),
    ("PatientName", NAME, "やまだ^たろう", True),
    ("PatientName", NAME, "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ("PatientName", NAME, "Yamada^Tarou=山田^太郎", True),
    ("PatientName", NAME, "=山田^*", True),
    ("PatientName", NAME, "Yamada^Tarou=山本^太郎", False),
    ("PatientName", "Yamada^Tarou", "Yamada^Tarou=", True),
    ("ReferringPhysicianName", "Who^Doctor", "who*", True),
    # Dates.
    ("StudyDate", "20260114", "20260114", True),
    ("StudyDate", "2026.01.14", "20260114", True),
    ("StudyDate", "20260114", "20260115", False),
    ("StudyDate", "20260114", "20260114-20260114", True),
    ("StudyDate", "20260114", "20260101-20260131", True),
    ("StudyDate", "20260201", "20260101-20260131", False),
    ("StudyDate", "20260114", "20260114-", True),
    ("StudyDate", "20260113", "20260114-", False),
    ("StudyDate", "20260114", "-20260114", True),
    ("StudyDate", "20260115", "-20260114", False),
    ("StudyDate", None, "-20260114", False),
    ("StudyDate", "no date", "20260101-", False),
    ("StudyDate", "no date", "", True),
    # Times: a time that leaves out its end means zero, at the upper end of a range all it contains.
    ("StudyTime", "101500", "1015", True),
    ("StudyTime", "101500.000", "101500", True),
    ("StudyTime", "101501", "1015", False),
    ("StudyTime", "101559.5", "10-1015", True),
    ("StudyTime", "101600", "10-1015", False),
    ("StudyTime", "10", "1000-", True),
    ("StudyTime", "095959.999999", "10-", False),
    # Date-times, with offsets from UTC.
    ("AcquisitionDateTime", "20260114101500", "20260114101500", True),
    ("AcquisitionDateTime", "20260114101500+0100", "20260114091500+0000", True),
    ("AcquisitionDateTime", "20260114101500", "20260114-20260114", True),
    ("AcquisitionDateTime", "20260114101500", "2026-", True),
    ("AcquisitionDateTime", "20260114101500", "-2025", False),
    ("AcquisitionDateTime", "20260114101500-0500", "20260114151500", True),
    # Numbers are compared as numbers.
    ("SeriesNumber", 7, "7", True),
    ("SeriesNumber", 7, "007", True),
    ("SeriesNumber", 7, "8", False),
    ("SeriesNumber", "seven", "7", False),
    ("PatientWeight", 70.5, "70.50", True),
    ("Rows", 512, "512.0", True),
    # UIDs.
    ("SOPClassUID", "1.2.3", "1.2.3", True),
    ("SOPClassUID", "1.2.3", ["9.9", "1.2.3"], True),
    ("SOPClassUID", "1.2.3", "1.2", False),
    # Several values of a key: any of them.
    ("Modality", "CT", ["MR", "CT"], True),
    ("Modality", "CT", ["MR", "C?"], True),
    ("Modality", "CT", ["MR", "US"], False),
    ("StudyDate", "20260114", ["20250101", "20260101-20260131", "20270101-"], True),
    ("StudyDescription", "abc", ["x*", "*c"], True),
    # Several values of a record: any of them.
    ("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL"], "AXIAL", True),
    ("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL"], "PRIM*", True),
    ("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL"], "ORIGINAL*AXIAL", False),
    ("OtherPatientIDs", ["A", None, "B"], "B", True),
    ("AccessionNumber", ["A", "B"], "B", True),
    ("AccessionNumber", ["A", "B"], "C", False),
    ("OperatorsName", ["One^Op", "Two^Op"], "two^op", True),
]


@pytest.mark.parametrize(("attribute", "held", "values", "matches"), CASES)
def test_a_key_matches_at_every_level_or_at_none(
    bench: IndexBench, attribute: str, held: Any, values: str | list[str], matches: bool
) -> None:
    bench.archive.store("1.1.1", **{attribute: held})
    bench.archive.store("2.1.1", store="other", **{attribute: held})
    bench.catch_up()
    assert [bench.count(level, {attribute: values}) for level in Level] == [int(matches)] * 4


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("StudyDate", "2026*"),
        ("StudyDate", "20261301"),
        ("StudyDate", "today"),
        ("StudyDate", "20260101-20260102-20260103"),
        ("StudyTime", "25"),
        ("StudyTime", "10?5"),
        ("AcquisitionDateTime", "2026-99-99"),
        ("SeriesNumber", "1*"),
        ("SeriesNumber", "nan"),
        ("StudyInstanceUID", "1.2.*"),
    ],
)
def test_a_value_that_its_vr_does_not_allow_is_refused_by_name(bench: IndexBench, attribute: str, value: str) -> None:
    with pytest.raises(DianaError) as refused:
        bench.count(Level.STUDY, {"PatientID": "x", attribute: value})
    assert refused.value.reason is Reason.INVALID_FIELD
    assert refused.value.fields[0].field == "matches[1].values[0]"
    assert value not in refused.value.message


@pytest.mark.parametrize("name", ["PixelData", "NoSuchKeyword", "00091001", "RequestAttributesSequence", "(0010,"])
def test_an_attribute_that_is_not_indexed_cannot_be_matched(bench: IndexBench, name: str) -> None:
    with pytest.raises(DianaError) as refused:
        bench.count(Level.STUDY, {name: ""})
    assert refused.value.reason is Reason.KEY_UNSUPPORTED
    assert refused.value.fields[0].field == "matches[0].attribute"


@pytest.mark.parametrize("name", ["PatientID", "00100020", "(0010,0020)", "0010,0020"])
def test_an_attribute_has_several_names(bench: IndexBench, name: str) -> None:
    bench.archive.store("1.1.1", PatientID="P1")
    bench.catch_up()
    assert bench.uids(Level.PATIENT, {name: "P1"}) == ["P1"]


def test_all_keys_must_match(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", study="1", series="1.1", PatientID="P1", StudyDate="20260101")
    bench.archive.store("2.1.1", study="2", series="2.1", PatientID="P1", StudyDate="20260102")
    bench.catch_up()
    assert bench.uids(Level.STUDY, {"PatientID": "P1", "StudyDate": "20260102"}) == ["2"]
    assert bench.uids(Level.STUDY, {"PatientID": "P2", "StudyDate": "20260102"}) == []


def test_a_key_of_another_level_finds_what_is_above_or_below(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", study="1", series="1.1", PatientID="P1", Modality="CT", InstanceNumber=1)
    bench.archive.store("1.2.1", study="1", series="1.2", PatientID="P1", Modality="SR", InstanceNumber=2)
    bench.archive.store("2.1.1", study="2", series="2.1", PatientID="P2", Modality="CT", InstanceNumber=3)
    bench.catch_up()
    assert bench.uids(Level.PATIENT, {"Modality": "CT"}) == ["P1", "P2"]
    assert bench.uids(Level.PATIENT, {"InstanceNumber": "2"}) == ["P1"]
    assert bench.uids(Level.STUDY, {"Modality": "SR"}) == ["1"]
    assert bench.uids(Level.STUDY, {"SOPInstanceUID": ["2.1.1", "9"]}) == ["2"]
    assert bench.uids(Level.SERIES, {"PatientID": "P1"}) == ["1.1", "1.2"]
    assert bench.uids(Level.INSTANCE, {"PatientID": "P*", "StudyInstanceUID": "1", "Modality": "CT"}) == ["1.1.1"]
    assert bench.uids(Level.STUDY, {"ModalitiesInStudy": "SR"}) == ["1"]
    assert bench.uids(Level.SERIES, {"ModalitiesInStudy": "SR", "NumberOfStudyRelatedSeries": "2"}) == ["1.1", "1.2"]


def test_keys_of_lower_levels_speak_of_one_child(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", series="1.1", Modality="PT", SeriesDescription="whole body")
    bench.archive.store("1.2.1", series="1.2", Modality="CT", SeriesDescription="low dose")
    bench.catch_up()
    assert bench.count(Level.STUDY, {"Modality": "PT", "SeriesDescription": "low dose"}) == 0
    assert bench.count(Level.STUDY, {"Modality": "CT", "SeriesDescription": "low dose"}) == 1
    assert bench.count(Level.STUDY, {"Modality": "CT", "SOPInstanceUID": "1.1.1"}) == 0
    assert bench.count(Level.PATIENT, {"Modality": "CT", "SOPInstanceUID": "1.2.1"}) == 1
    assert bench.count(Level.SERIES, {"Modality": "PT", "SeriesDescription": "low dose"}) == 0


def test_thousands_of_uids_and_wildcards_fit_in_one_key(bench: IndexBench) -> None:
    bench.archive.store("1.1.1", PatientID="P7777")
    bench.catch_up()
    assert bench.count(Level.INSTANCE, {"SOPInstanceUID": [f"1.1.{n}" for n in range(10_000)]}) == 1
    assert bench.count(Level.INSTANCE, {"PatientID": [f"*{n}?" for n in range(10_000)]}) == 1
    assert bench.count(Level.INSTANCE, {"StudyDate": [f"{n}0101-" for n in range(1000, 9999)]}) == 0


@needs_corpus
def test_a_real_file_with_wildcards_in_its_values_is_found_by_them(bench: IndexBench) -> None:
    file = read_header(CORPUS / "dicom" / "generated" / "edge" / "wildcards_in_values.dcm")
    bench.archive.store_raw(file.sop_instance_uid, file.dicom_json, file.study_uid, file.series_uid)
    bench.archive.store("1.1.1", PatientID="AxByC", PatientName="LASTxNAME^FxRST")
    bench.catch_up()
    assert bench.uids(Level.INSTANCE, {"PatientID": "A*B?C"}) == ["1.1.1", file.sop_instance_uid]
    assert bench.uids(Level.INSTANCE, {"PatientName": "last*name^f?rst"}) == ["1.1.1", file.sop_instance_uid]
    assert bench.uids(Level.INSTANCE, {"PatientID": "A?B?C", "PatientName": "*[*]*"}) == []
