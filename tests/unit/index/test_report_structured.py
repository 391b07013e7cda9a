"""The text of structured reports."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from diana_index.core.reports.findings import findings
from diana_index.core.reports.structured import MAX_BYTES, MAX_DEPTH, report_text
from tests.support.corpus import CORPUS, needs_corpus

BASIC_TEXT, COMPREHENSIVE, DOSE = (f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in (11, 33, 67))

Element = dict[str, Any]


def code(meaning: str, value: str = "1", scheme: str = "99T") -> Element:
    """A code sequence of one item."""
    item = {"00080100": _one("SH", value), "00080102": _one("SH", scheme), "00080104": _one("LO", meaning)}
    return {"vr": "SQ", "Value": [item]}


def _one(vr: str, value: object) -> Element:
    return {"vr": vr, "Value": [value]}


def item(kind: str, name: str, children: list[Element] | None = None, **elements: Element) -> Element:
    """A content item; further elements by tag behind an underscore."""
    made = {"0040A040": _one("CS", kind), "0040A043": code(name)}
    made |= {tag.removeprefix("_"): element for tag, element in elements.items()}
    return made | ({"0040A730": {"vr": "SQ", "Value": children}} if children else {})


def text(name: str, value: object) -> Element:
    """A TEXT item."""
    return item("TEXT", name, _0040A160=_one("UT", value))


def report(*children: Element, sop_class: str = COMPREHENSIVE, title: Element | None = None) -> Element:
    """A report's header."""
    made = item("CONTAINER", "Chest CT Report", list(children), _00080016=_one("UI", sop_class))
    return made | ({"0040A043": title} if title else {})


def measured(name: str, value: str, unit: str) -> Element:
    """A NUM item."""
    measured_value = {"0040A30A": _one("DS", value), "004008EA": code(unit, unit, "UCUM")}
    return item("NUM", name, _0040A300={"vr": "SQ", "Value": [measured_value]})


def read(path: str | Path) -> str | None:
    """The text of a file's report."""
    with warnings.catch_warnings(action="ignore"):
        return report_text(dcmread(path, stop_before_pixels=True).to_json_dict())


def test_a_tree_is_read_in_order_with_its_headings() -> None:
    """Texts, codes, numbers and dates each have a line; names, images and observers have none."""
    header = report(
        item("TEXT", "Observer", _0040A160=_one("UT", "secret"), _0040A010=_one("CS", "HAS OBS CONTEXT")),
        item(
            "CONTAINER",
            "Findings",
            [
                text("Finding", "New nodule.\r\nNo effusion."),
                measured("Diameter", "7.5", "mm"),
                measured("Ratio", "0.4", "1"),
                item("CODE", "Site", _0040A168=code("Right upper lobe")),
                item("DATE", "Compared with", _0040A121=_one("DA", "20260114")),
                item("DATETIME", "Read", _0040A120=_one("DT", "20260114103000")),
                item("TIME", "At", _0040A122=_one("TM", "103000")),
                item("PNAME", "Reader", _0040A123=_one("PN", {"Alphabetic": "Doe^Jane"})),
                item("IMAGE", "Image"),
            ],
        ),
        item("CONTAINER", "Impression", [text("Impression", "Lung-RADS 2022 category 4A.")]),
    )
    found = report_text(header)
    assert found == (
        "Chest CT Report:\nFindings:\nFinding: New nodule.\nNo effusion.\nDiameter: 7.5 mm\nRatio: 0.4\n"
        "Site: Right upper lobe\nCompared with: 2026-01-14\nRead: 2026-01-14 10:30:00\nAt: 10:30:00\n"
        "Impression:\nImpression: Lung-RADS 2022 category 4A."
    )
    assert [one.text for one in findings(found)] == ["4A"]


def test_a_coded_bone_age_is_a_finding() -> None:
    """What a measurement says is found as if somebody had written it."""
    found = report_text(
        report(measured("Bone age", "144", "mo"), item("CODE", "BI-RADS", _0040A168=code("Category 2")))
    )
    assert [(one.name, one.number) for one in findings(found or "")] == [("bone_age", 144.0), ("bi_rads", 2.0)]


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]}},
        report(text("Finding", "x"), sop_class=DOSE),
        report(text("Finding", "x"), sop_class="1.2.840.10008.5.1.4.1.1.88.76"),
        report(text("Finding", "x"), sop_class="1.2.840.10008.5.1.4.1.1.88.59"),
        report(text("Finding", "x"), title=code("X-Ray Radiation Dose Report", "113701", "DCM")),
        {"00080016": {"vr": "UI", "Value": [BASIC_TEXT]}},
    ],
)
def test_what_is_no_reading_has_no_text(header: Element) -> None:
    """Images, dose reports of either kind, key objects, and reports that say nothing."""
    assert report_text(header) is None


@pytest.mark.parametrize(
    "value",
    [None, 1, "x", [], {}, [1], [None], [[]], {"Value": 1}, {"Value": {}}, {"Value": [1, None, {}, {"0040A040": 7}]}],
)
@pytest.mark.parametrize("tag", ["00080016", "0040A043", "0040A730", "0040A040", "0040A160", "0040A010"])
def test_a_malformed_element_harms_nothing(tag: str, value: object) -> None:
    """The rest is read, or there is no text."""
    header = report(text("Finding", "kept"))
    inner = header["0040A730"]["Value"][0]
    found = [
        report_text({**header, tag: value}),
        report_text({**header, "0040A730": _one("SQ", {**inner, tag: value})}),
    ]
    assert all(one is None or isinstance(one, str) for one in found)


def test_what_no_database_keeps_is_replaced() -> None:
    """NUL, control characters and lone surrogates, which JSON can carry."""
    found = report_text(report(text("Finding", "a\x00b\x1bc \ud800 d\te")))
    assert found == "Chest CT Report:\nFinding: a b c ? d\te"


def test_a_deep_tree_and_a_long_one_end() -> None:
    """Depth, items and size are bounded, and what is above the bound is read."""
    deep = text("Deepest", "too deep")
    for level in range(MAX_DEPTH + 300):
        deep = item("CONTAINER", f"Level {level}", [deep])
    shown = report_text(report(deep)) or ""
    assert "too deep" not in shown and shown.count("Level") == MAX_DEPTH
    leaf = text("Finding", "\u80ba" * 1000)
    long = report_text(report(*[leaf] * 2000)) or ""
    assert MAX_BYTES - 2000 < len(long.encode()) <= MAX_BYTES
    assert report_text(report(*[item("IMAGE", "Image")] * 300_000)) == "Chest CT Report:"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("reportsi.dcm", "Report Text: Enter text"),
        ("test-SR.dcm", "Date: 2000-12-06\nTime: 12:00:00\nDateTime: 2000-12-06 12:00:00\n"),
    ],
)
def test_real_reports_are_read(name: str, part: str) -> None:
    """Files that pydicom brings along."""
    path = get_testdata_file(name)
    assert isinstance(path, str)
    assert part in (read(path) or "")


@needs_corpus
def test_the_corpus_reports_are_read_and_its_dose_reports_are_not() -> None:
    """Readings have text; dose reports have none, those in Enhanced SR neither."""
    files = CORPUS / "dicom"
    assert "measurement" in (read(files / "highdicom" / "sr_document.dcm") or "").lower()
    assert read(files / "dicomParser" / "deflate" / "report_dfl")
    assert read(files / "dicom-test-files" / "dcmqi" / "sr-example" / "sr.dcm")
    assert [path.name for path in (files / "openrem").glob("*RDSR*.dcm") if read(path)] == []
    assert [path.name for path in (files / "openrem").glob("*-ESR-*.dcm") if read(path)] == []
