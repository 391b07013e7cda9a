"""Data sets that are no instances: identifiers, worklist items."""

from __future__ import annotations

import json

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

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
    meta = b"\2\0\x10\0UI" + (len(EXPLICIT) + 1).to_bytes(2, "little") + EXPLICIT.encode()
    data_set = b"\x10\0\x20\0LO\2\0P1"
    assert json.loads(scan_elements(bytes(128) + b"DICM" + meta + b"\0" + data_set)) == {
        "00100020": {"vr": "LO", "Value": ["P1"]}
    }


@pytest.mark.parametrize("cut", range(1, 10))
def test_bytes_that_end_within_an_element_are_refused(cut: int) -> None:
    with pytest.raises(DianaError) as refused:
        scan_data_set(b"\x10\0\x20\0LO\2\0P1"[:cut], EXPLICIT)
    assert refused.value.reason is Reason.DATA_SET_TRUNCATED
