"""Synthetic DICOM files for tests and the bench: made fast, from one template patched per call.

A CT of `make_ct` has 113 elements at the top level of its data set (pixel data included), of which 4 are
sequences and 13 are private; 512 x 512 it is 527 KB, and `make_small` is the same at 64 x 64: 11 KB.
Nothing in it comes from a patient. Needs pydicom only.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.8.498"
IMPLEMENTATION_UID = f"{ROOT}.1"

_TEXTS: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "InstanceCreationDate": "20260114",
    "InstanceCreationTime": "101502.120000",
    "SOPClassUID": CTImageStorage,
    "StudyDate": "20260114",
    "SeriesDate": "20260114",
    "AcquisitionDate": "20260114",
    "ContentDate": "20260114",
    "StudyTime": "100900",
    "SeriesTime": "101144.500000",
    "AcquisitionTime": "101201.250000",
    "ContentTime": "101502.120000",
    "AccessionNumber": "ACC0001",
    "Modality": "CT",
    "Manufacturer": "DIANA",
    "InstitutionName": "Teaching Hospital",
    "ReferringPhysicianName": "Referrer^Rita^^Dr",
    "StationName": "CT01",
    "StudyDescription": "CT Thorax/Abdomen",
    "SeriesDescription": "Thorax 1.0 B30f",
    "InstitutionalDepartmentName": "Radiology",
    "PerformingPhysicianName": "Performer^Paul",
    "OperatorsName": ["Operator^Olga", "Operator^Otto"],
    "ManufacturerModelName": "Phantom 64",
    "IrradiationEventUID": f"{ROOT}.7.1",
    "PatientName": "Phantom^Petra",
    "PatientBirthDate": "19610404",
    "PatientSex": "F",
    "PatientAge": "064Y",
    "PatientSize": "1.68",
    "PatientWeight": "70.5",
    "BodyPartExamined": "CHEST",
    "ScanOptions": "SPIRAL MODE",
    "SliceThickness": "1.0",
    "KVP": "120",
    "DataCollectionDiameter": "500",
    "DeviceSerialNumber": "1001",
    "SoftwareVersions": "v1.2.3",
    "ProtocolName": "Thorax routine",
    "ReconstructionDiameter": "350",
    "DistanceSourceToDetector": "1085.6",
    "DistanceSourceToPatient": "595",
    "GantryDetectorTilt": "0",
    "TableHeight": "152.5",
    "RotationDirection": "CW",
    "ExposureTime": "500",
    "XRayTubeCurrent": "210",
    "Exposure": "105",
    "GeneratorPower": "25",
    "FocalSpots": "1.2",
    "DateOfLastCalibration": "20260113",
    "TimeOfLastCalibration": "060000",
    "ConvolutionKernel": "B30f",
    "PatientPosition": "HFS",
    "SingleCollimationWidth": 0.6,
    "TotalCollimationWidth": 38.4,
    "TableSpeed": 46.0,
    "TableFeedPerRotation": 23.0,
    "SpiralPitchFactor": 0.6,
    "ExposureModulationType": "XYZ_EC",
    "EstimatedDoseSaving": 31.5,
    "CTDIvol": 7.1,
    "StudyID": "1",
    "SeriesNumber": "2",
    "AcquisitionNumber": "2",
    "InstanceNumber": "1",
    "ImagePositionPatient": ["-175.0", "-175.0", "-100.5"],
    "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
    "FrameOfReferenceUID": f"{ROOT}.8.1",
    "PositionReferenceIndicator": "",
    "SliceLocation": "-100.5",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "PixelSpacing": ["0.68359375", "0.68359375"],
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "SmallestImagePixelValue": 0,
    "LargestImagePixelValue": 4095,
    "BurnedInAnnotation": "NO",
    "WindowCenter": ["40", "-600"],
    "WindowWidth": ["400", "1200"],
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
    "RescaleType": "HU",
    "WindowCenterWidthExplanation": ["WINDOW1", "WINDOW2"],
    "LossyImageCompression": "00",
}

_PRIVATE: list[tuple[int, str, Any]] = [
    (0x00190010, "LO", "DIANA CT 1"),
    (0x00191001, "LO", "tube A"),
    (0x00191002, "IS", "64"),
    (0x00191003, "DS", "0.28"),
    (0x00191004, "US", 17),
    (0x00191005, "FD", 1.25),
    (0x00191006, "UN", b"\x01\x02\x03\x04\x05\x06"),
    (0x00191007, "OB", bytes(range(64))),
    (0x00290010, "LO", "DIANA HEADER"),
    (0x00291008, "CS", "SERIES 4"),
    (0x00291009, "LO", "20260114"),
    (0x00291010, "OB", bytes(range(128))),
    (0x00291020, "SL", [-3, 4]),
]


def make_ct(
    rows: int = 512,
    cols: int = 512,
    patient_id: str = "PHANTOM01",
    study_uid: str = f"{ROOT}.2.1",
    series_uid: str = f"{ROOT}.3.1",
    sop_uid: str = f"{ROOT}.4.1",
    **overrides: Any,
) -> bytes:
    """A CT image as a Part 10 file, Explicit VR Little Endian; `overrides` are keyword=value, None removes one."""
    values = {
        "PatientID": patient_id,
        "StudyInstanceUID": study_uid,
        "SeriesInstanceUID": series_uid,
        "SOPInstanceUID": sop_uid,
        **overrides,
    }
    elements = dict(_template(rows, cols))
    for keyword, value in values.items():
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise ValueError(f"not a keyword of PS3.6: {keyword}")
        elements.pop(tag, None)
        if value is not None:
            elements[tag] = _encode(tag, dictionary_VR(tag), value)
    sop_class = str(values.get("SOPClassUID", CTImageStorage))
    return _file_meta(sop_class, str(values["SOPInstanceUID"] or sop_uid)) + b"".join(
        [elements[tag] for tag in sorted(elements)]
    )


def make_small(**overrides: Any) -> bytes:
    """The same at 64 x 64 pixels: 11 KB. Takes what `make_ct` takes."""
    return make_ct(**{"rows": 64, "cols": 64, **overrides})


@cache
def _template(rows: int, cols: int) -> dict[int, bytes]:
    """Every element of the data set, encoded, by tag."""
    elements = {tag: _encode(tag, vr, value) for tag, vr, value in _PRIVATE}
    for keyword, value in {**_TEXTS, **_sequences(), "Rows": rows, "Columns": cols}.items():
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise ValueError(f"not a keyword of PS3.6: {keyword}")
        elements[tag] = _encode(tag, dictionary_VR(tag), value)
    elements[0x7FE00010] = _encode(0x7FE00010, "OW", _pixels(rows * cols))
    return elements


def _sequences() -> dict[str, Sequence]:
    return {
        "ProcedureCodeSequence": Sequence([_code("24627-2", "LN", "CT Chest")]),
        "ReferencedStudySequence": Sequence([_reference("1.2.840.10008.3.1.2.3.1", f"{ROOT}.2.9")]),
        "ReferencedImageSequence": Sequence([_reference(CTImageStorage, f"{ROOT}.4.{n}") for n in (8, 9)]),
        "RequestAttributesSequence": Sequence([_request()]),
    }


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _reference(sop_class: str, sop_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_uid
    return item


def _request() -> Dataset:
    item = Dataset()
    item.RequestedProcedureDescription = "CT Thorax"
    item.ScheduledProcedureStepID = "SPS1"
    item.ScheduledProtocolCodeSequence = Sequence([_code("CTTHX", "99DIANA", "CT Thorax")])
    item.RequestedProcedureID = "RP1"
    return item


@cache
def _pixels(count: int) -> bytes:
    """`count` 16-bit little-endian values of 12 bits, the same on every run."""
    noise = bytearray(random.Random(count).randbytes(2 * count))
    noise[1::2] = noise[1::2].translate(bytes(n & 0x0F for n in range(256)))
    return bytes(noise)


def _file_meta(sop_class: str, sop_uid: str) -> bytes:
    elements = (
        _encode(0x00020001, "OB", b"\x00\x01")
        + _encode(0x00020002, "UI", sop_class)
        + _encode(0x00020003, "UI", sop_uid)
        + _encode(0x00020010, "UI", ExplicitVRLittleEndian)
        + _encode(0x00020012, "UI", IMPLEMENTATION_UID)
        + _encode(0x00020013, "SH", "DIANA_TEST")
    )
    return bytes(128) + b"DICM" + _encode(0x00020000, "UL", len(elements)) + elements


def _encode(tag: int, vr: str, value: Any) -> bytes:
    """One element in Explicit VR Little Endian, text in Latin 1."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    if vr == "US or SS":
        vr = "US"
    write_data_element(buffer, DataElement(tag, vr, value), convert_encodings(["ISO_IR 100"]))
    return buffer.getvalue()
