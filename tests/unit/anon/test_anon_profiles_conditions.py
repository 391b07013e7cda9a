"""Conditions of overrides: what they ask of an instance's header."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from diana_common.conditions import Condition, bind, compile_condition
from diana_common.conditions.comparisons import matches
from diana_common.filters import parse_filter


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


HEADER: dict[str, Any] = {
    "00080008": element("CS", "ORIGINAL", "PRIMARY"),
    "00080020": element("DA", "20260131"),
    "00080030": element("TM", "0930"),
    "00080050": {"vr": "SH"},
    "00080060": element("CS", "MR"),
    "00080070": element("LO", "SIEMENS Healthineers"),
    "00081010": element("SH", "", None),
    "00081030": element("LO", "Schädel  nativ"),
    "0008103F": element("SQ"),
    "00100010": element("PN", {"Alphabetic": "Müller^Jörg", "Ideographic": "山田^太郎"}),
    "00101010": element("AS", "045Y"),
    "00180050": element("DS", 2.5),
    "00190010": element("LO", "OTHER"),
    "00190011": element("LO", "SIEMENS MR HEADER"),
    "0019110C": element("IS", 1000),
    "0020000D": element("UI", "1.2.3"),
    "00280010": element("US", 512),
    "00400275": element("SQ", {"00400009": element("SH", "S1")}, {"00400007": element("LO", "Head")}),
    "7FE00010": {"vr": "OW", "InlineBinary": "AAA="},
}


def condition(text: str) -> Condition:
    tree = parse_filter(text)
    assert tree
    return compile_condition(bind(tree, "when"), "when")


@pytest.mark.parametrize(
    "text",
    [
        "Modality = MR",
        "Modality = (CT OR MR)",
        "ImageType = PRIMARY AND ImageType = ORIGINAL",
        'Manufacturer : "siemens"',
        "Manufacturer = SIEMENS*",
        "Manufacturer != siemens*",
        "StudyDescription : 'SCHÄDEL nat'",
        "StudyDate = 2026 AND StudyDate = 202601 AND StudyDate = 20260131",
        "StudyDate >= 20260131 AND StudyDate < 20260201 AND StudyDate > 2025",
        "StudyTime = 0930 AND StudyTime < 1000 AND StudyTime >= 09",
        "SliceThickness = 2.50 AND SliceThickness < 3 AND SliceThickness > 2.4",
        "Rows >= 512 AND Rows <= 512 AND Rows : 512",
        "PatientName = müller^*",
        "PatientName = 'MÜLLER^JÖRG'",
        "PatientName : 太郎",
        "PatientAge = 0??Y",
        "StudyInstanceUID = 1.2.3",
        "RequestAttributesSequence.ScheduledProcedureStepID = S1",
        "RequestAttributesSequence.ScheduledProcedureStepID:*",
        'AccessionNumber = "" AND StationName = "" AND PatientID = ""',
        'Modality != ""',
        "NOT StationName:* AND Modality:*",
        "PixelData:* AND NOT PatientSex:*",
        "SeriesDescriptionCodeSequence = ''",
        '"(0019,xx0C){SIEMENS MR HEADER}" = 1000',
        '"(0008,0060)" = MR',
    ],
)
def test_it_holds(text: str) -> None:
    assert condition(text)(HEADER)


@pytest.mark.parametrize(
    "text",
    [
        "Modality = mr",
        "Modality != MR",
        "Modality = (CT OR PT)",
        "NOT Modality = MR",
        "Manufacturer = Siemens",
        "StationName != X",
        "PatientID != X",
        "StudyDate > 2026",
        "StudyDate < 20260131",
        "Rows != 512",
        "Rows > 512",
        "AccessionNumber:*",
        "RequestAttributesSequence.ScheduledProcedureStepID = S2",
        "SeriesDescriptionCodeSequence:*",
        '"(0019,xx0C){OTHER}" = 1000',
        '"(0019,xx0C){NOBODY}" = 1000',
    ],
)
def test_it_does_not(text: str) -> None:
    assert not condition(text)(HEADER)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {tag: {} for tag in HEADER},
        {tag: {"vr": "UN", "Value": None} for tag in HEADER},
        {tag: {"vr": "SQ", "Value": [{}, None, 5]} for tag in HEADER},
        {tag: element("LO", "x" * 10_000, {"Alphabetic": 5}) for tag in HEADER},
    ],
)
def test_a_hostile_header_meets_a_condition_or_does_not(header: dict[str, Any]) -> None:
    for text in (
        "Rows > 1",
        "StudyDate < 2027",
        "PatientName = x*",
        "RequestAttributesSequence.Rows = 1",
        "Modality:*",
    ):
        assert condition(text)(header) in (True, False)


def test_a_condition_can_be_handed_to_another_process() -> None:
    made = condition("Modality = MR AND NOT (Rows > 600 OR Manufacturer : GE)")
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301
    assert made(HEADER)


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("", "", True),
        ("", "*", True),
        ("abc", "a?c", True),
        ("abc", "*b*", True),
        ("abc", "a*c*", True),
        ("abc", "ab", False),
        ("abc", "?", False),
        ("a" * 50_000 + "b", "*a" * 30 + "*c", False),
        ("aXbXc", "a*X?", True),
    ],
)
def test_wildcards(text: str, pattern: str, fits: bool) -> None:
    assert matches(text, pattern) is fits
