"""Real files: all that can be stored can be de-identified, and reads as well afterwards as before."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import pydicom
import pytest
from pydicom import dcmread

from diana_anon.core.subject import read_subject
from diana_common.errors import DianaError, Reason
from diana_common.header import check_complete, scan
from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.anon.engine_files import Dates, new_data_set, new_file

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
PLAIN = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"}


def _storable(data: bytes) -> Reason | None:
    """Why the archive would not take a file."""
    try:
        check_complete(data, scan(data))
    except DianaError as refused:
        return refused.reason
    return None


def _check(path: Path, dates: Dates) -> str:
    data = path.read_bytes()
    refused = _storable(data)
    try:
        new = new_file(data, dates)
    except DianaError as error:
        assert refused is not None, f"{path.name}: {error.reason.name}"
        return error.reason.name
    header = scan(new)
    check_complete(new, header)
    _check_identifiers(data, new)
    assert json.loads(header.dicom_json)["00100020"]["Value"] == ["NEWID234"]
    return "done"


def _check_identifiers(data: bytes, new: bytes) -> None:
    """No UID of the source's own is left, and pixels are what they were."""
    old, header = scan(data), scan(new)
    for uid in (old.study_uid, old.series_uid, old.sop_instance_uid):
        assert uid.startswith("1.2.840.10008.") or len(uid) < 9 or uid.encode() not in new
    if old.pixel_offset is None or old.transfer_syntax_uid == "1.2.840.10008.1.2.1.99":
        return
    assert header.pixel_offset is not None
    pixels = new[header.pixel_offset :]
    assert data[old.pixel_offset :].startswith(pixels[: len(pixels) // 2 * 2])


@pytest.mark.parametrize("dates", Dates)
def test_pydicoms_own_files(dates: Dates) -> None:
    outcomes = Counter(_check(path, dates) for path in sorted(BUNDLED.rglob("*.dcm")))
    assert outcomes["done"] > 60


@needs_corpus
@pytest.mark.parametrize("dates", Dates)
def test_every_storable_file_of_the_corpus(dates: Dates) -> None:
    files = [path for path in sorted((CORPUS / "dicom").rglob("*")) if path.is_file()]
    outcomes = Counter(_check(path, dates) for path in files)
    assert outcomes["done"] >= 390


def test_pydicom_reads_what_came_out_and_finds_the_same_pixels() -> None:
    read = 0
    for path in sorted(BUNDLED.glob("*.dcm")):
        if _storable(path.read_bytes()) is not None:
            continue
        old, new = dcmread(path), new_data_set(path.read_bytes())
        assert new.get("PixelData") == old.get("PixelData")
        assert new.SOPClassUID == old.SOPClassUID
        read += 1
    assert read > 50


def test_subjects_are_read_as_pydicom_reads_them() -> None:
    for path in sorted(BUNDLED.glob("*.dcm")):
        data = path.read_bytes()
        if _storable(data) is not None:
            continue
        subject, header = read_subject(json.loads(scan(data).dicom_json)), dcmread(io.BytesIO(data))
        assert subject.patient_id == str(header.get("PatientID") or "").strip()
        assert repr(subject) == object.__repr__(subject)
