"""Data sets that are no instances: identifiers, worklist items."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_dataset
from pydicom.filebase import DicomBytesIO

from diana_common.errors import DianaError, Reason
from diana_common.header import scan_data_set, scan_elements

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
EXPECTED = {
    "00080005": {"vr": "CS", "Value": ["ISO_IR 126"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Διονυσιος"}]},
    "00100020": {"vr": "LO"},
}


def _identifier() -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet, made.PatientName, made.PatientID = "ISO_IR 126", "Διονυσιος", ""
    return made


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_a_data_set_without_uids_or_file_meta_is_read(syntax: str) -> None:
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = syntax == IMPLICIT, syntax != BIG_ENDIAN
    write_dataset(file, _identifier())
    assert json.loads(scan_data_set(file.getvalue(), syntax)) == EXPECTED


def test_an_empty_data_set_is_read() -> None:
    assert scan_data_set(b"", IMPLICIT) == b"{}"


def test_a_part_10_file_that_is_no_instance_is_read() -> None:
    made, file = _identifier(), BytesIO()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = EXPLICIT
    made.save_as(file)
    data = bytes(128) + b"DICM" + file.getvalue().partition(b"DICM")[2] if b"DICM" in file.getvalue() else b""
    assert json.loads(scan_elements(data)) == EXPECTED


@pytest.mark.parametrize(
    ("data", "reason"), [(b"\x10\x00\x20\x00LO\x04\x00A", Reason.DATA_SET_TRUNCATED), (b"\xff" * 40, Reason.DATA_SET_INVALID)]
)
def test_bytes_that_are_no_data_set_are_refused(data: bytes, reason: Reason) -> None:
    with pytest.raises(DianaError) as refused:
        scan_data_set(data, EXPLICIT)
    assert refused.value.reason is reason
