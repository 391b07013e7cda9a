"""Records of the index read as text."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from diana.index.v1.index_service_pb2 import Record
from diana_client import BadAnswer, record_attributes


def _record(elements: Any) -> Record:
    return Record(dicom_json=json.dumps(elements).encode())


def test_values_are_text_by_tag() -> None:
    record = _record(
        {
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Phantom^Petra", "Ideographic": "x"}, {}]},
            "00100020": {"vr": "LO", "Value": ["P1"]},
            "00080061": {"vr": "CS", "Value": ["CT", "SR"]},
            "00201208": {"vr": "IS", "Value": [12]},
            "00180050": {"vr": "DS", "Value": [1.5, None]},
            "00081030": {"vr": "LO"},
            "00081032": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["A"]}}]},
            "00091001": {"vr": "OB", "InlineBinary": "AAAA"},
        }
    )
    assert record_attributes(record) == {
        "00100010": "Phantom^Petra\\",
        "00100020": "P1",
        "00080061": "CT\\SR",
        "00201208": "12",
        "00180050": "1.5\\",
        "00081030": "",
    }
    assert record_attributes(Record()) == {}


@pytest.mark.parametrize(
    "text",
    [b"no JSON", b"[1]", b'"text"', b'{"00100020": 1}', b'{"00100020": {"Value": 1}}', b"\xff", b"[" * 100_000],
)
def test_what_is_no_dicom_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(BadAnswer):
        record_attributes(Record(dicom_json=text))


def test_the_client_brings_no_server_code_and_no_dicom_library() -> None:
    script = (
        "import sys, diana_client;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('pydicom', 'numpy', 'diana_common', 'diana_server', 'protovalidate', 'structlog', 'click')])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
