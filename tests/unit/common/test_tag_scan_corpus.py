"""Every file of the shared corpus and of pydicom: 26 tags have the text that pydicom gives, but for these:

- Binary values have no text with us: Patient's Name as OB, and text of 64 KiB and more, which its writer hid in UN.
- pydicom reads a DICOMDIR, and what a refusal's reason forbids us to go on with.
- pydicom fails on sequences nested 200 deep; they come after the tags that are wanted here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom import config

from diana_common.errors import DianaError
from diana_common.header import TagScan, Values
from diana_common.tags import parse_tag
from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.common.test_header_corpus import BUNDLED, REFUSALS

pytestmark = pytest.mark.filterwarnings("ignore")

KEYWORDS = [
    "TransferSyntaxUID",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "SeriesDate",
    "StudyTime",
    "SeriesTime",
    "AccessionNumber",
    "Modality",
    "Manufacturer",
    "ReferringPhysicianName",
    "StudyDescription",
    "SeriesDescription",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "BodyPartExamined",
    "SliceThickness",
    "KVP",
    "ProtocolName",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
]
TAGS = [parse_tag(keyword) for keyword in KEYWORDS]
SHARED = TagScan(TAGS)
WITHOUT_TEXT = {
    ("TC0051_studydescription_over_64KB.dcm", "StudyDescription"),
    ("TC0121_seriesdescription_over_64KB.dcm", "SeriesDescription"),
    ("TC0171_patientid_over_1MB.dcm", "PatientID"),
    ("TC0191_seriesinstanceuid_over_1MB.dcm", "SeriesInstanceUID"),
    ("TC0241_patientname_PN_as_OB.dcm", "PatientName"),
}


@pytest.fixture(autouse=True)
def lenient_pydicom(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydicom drops values it finds invalid (a UID with a leading zero, 65 letters of LO); we keep them."""
    monkeypatch.setattr(config.settings, "_reading_validation_mode", config.IGNORE)


def theirs(path: Path) -> list[str | None]:
    data_set = pydicom.dcmread(path, stop_before_pixels=True)
    elements = [(data_set.file_meta if tag < 0x00030000 else data_set).get(tag) for tag in TAGS]
    return [None if element is None else _text(element.value) for element in elements]


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return None
    if value is None or isinstance(value, str) or not isinstance(value, Iterable):
        return "" if value is None else str(value)
    if isinstance(value, pydicom.valuerep.PersonName):
        return str(value)
    return "\\".join(_text(each) or "" for each in value)


def _read(path: Path) -> Values | None:
    """The values if the file is not refused: whatever was read before, and whichever way."""
    try:
        values = SHARED.read(path)
    except DianaError as error:
        assert error.reason in REFUSALS
        return None
    file = path.read_bytes()
    assert values == TagScan(TAGS).read(path) == SHARED.scan(file) == SHARED.scan(memoryview(file))
    return values


def _check(path: Path) -> bool:
    values = _read(path)
    if values is None or path.name == "nested_200_undef.dcm":
        return values is not None
    for keyword, ours, text in zip(KEYWORDS, values, theirs(path), strict=True):
        if (path.name, keyword) in WITHOUT_TEXT:
            assert ours is None
        else:
            assert ours == text, f"{path.name}: {keyword}"
    return True


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.name)
def test_pydicoms_own_files(path: Path) -> None:
    _check(path)


@needs_corpus
def test_every_file_of_the_corpus_agrees_with_pydicom_or_is_refused_with_a_reason() -> None:
    paths = sorted(path for path in (CORPUS / "dicom").rglob("*") if path.is_file())
    assert sum(map(_check, paths)) >= 440
