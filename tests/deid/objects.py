"""The objects of the synthetic set as their modalities make them: what is technical, and what refers to what."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

from pydicom import Dataset, Sequence
from pydicom.encaps import encapsulate

CT, MR, CR, DX, US, MG, PT, SC, SR, SEG, RTSTRUCT, PR, KO, PDF, ECG = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.1.2",
    "1.2.840.10008.5.1.4.1.1.128",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.481.3",
    "1.2.840.10008.5.1.4.1.1.11.1",
    "1.2.840.10008.5.1.4.1.1.88.59",
    "1.2.840.10008.5.1.4.1.1.104.1",
    "1.2.840.10008.5.1.4.1.1.9.1.1",
)

_IMAGE = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0}

_TECHNICAL: Mapping[str, Mapping[str, Any]] = {
    CT: {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "SliceThickness": "1.25", "KVP": "120", "XRayTubeCurrent": "211",
        "ConvolutionKernel": "B30f", "RescaleIntercept": "-1024", "RescaleSlope": "1", "PatientPosition": "HFS",
        "ExposureTime": "500", "GantryDetectorTilt": "0", "PixelSpacing": ["0.7", "0.7"], "CTDIvol": 7.1,
        "WindowCenter": "40", "WindowWidth": "400", "Manufacturer": "Acme Medical",
        "ManufacturerModelName": "Volume 64",
        "BodyPartExamined": "CHEST", "ImagePositionPatient": ["-175.0", "-175.0", "-100.5"],
    },
    MR: {
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"], "ScanningSequence": "SE", "SequenceVariant": "SK",
        "MRAcquisitionType": "2D", "SequenceName": "*tse2d1_15", "RepetitionTime": "4000", "EchoTime": "85",
        "MagneticFieldStrength": "1.5", "FlipAngle": "150", "EchoTrainLength": "15", "PixelBandwidth": "130",
        "Manufacturer": "Acme Medical", "BodyPartExamined": "BRAIN", "ImagedNucleus": "1H",
    },
    CR: {"ViewPosition": "PA", "KVP": "110", "PlateType": "ST-VI", "BodyPartExamined": "CHEST", "Sensitivity": "200"},
    DX: {
        "PresentationIntentType": "FOR PRESENTATION", "ViewPosition": "AP", "ImagerPixelSpacing": ["0.143", "0.143"],
        "DetectorType": "SCINTILLATOR", "Exposure": "4", "ImageLaterality": "L", "BodyPartExamined": "HAND",
    },
    US: {"TransducerData": ["C5-1", "CURVED"], "ImageType": ["ORIGINAL", "PRIMARY"], "HeartRate": "71"},
    MG: {
        "ImageLaterality": "R", "ViewPosition": "MLO", "CompressionForce": "98.7", "BodyPartThickness": "54",
        "AnodeTargetMaterial": "TUNGSTEN", "OrganDose": "0.0131", "PositionerPrimaryAngle": "45",
    },
    PT: {
        "Units": "BQML", "CorrectedImage": ["DECY", "ATTN", "SCAT"], "DecayCorrection": "START",
        "ReconstructionMethod": "OSEM 2i21s", "ActualFrameDuration": "180000", "SeriesType": ["WHOLE BODY", "IMAGE"],
    },
    SC: {"ConversionType": "WSD", "ImageType": ["DERIVED", "SECONDARY"]},
    SR: {"CompletionFlag": "COMPLETE", "VerificationFlag": "UNVERIFIED", "ValueType": "CONTAINER"},
    SEG: {"SegmentationType": "BINARY", "ImageType": ["DERIVED", "PRIMARY"], "LossyImageCompression": "00"},
    RTSTRUCT: {"ApprovalStatus": "UNAPPROVED"},
    PR: {"PresentationLUTShape": "IDENTITY"},
    KO: {"ValueType": "CONTAINER"},
    PDF: {"MIMETypeOfEncapsulatedDocument": "application/pdf", "ConversionType": "WSD"},
    ECG: {},
}  # fmt: skip

MODALITIES = {
    CT: "CT", MR: "MR", CR: "CR", DX: "DX", US: "US", MG: "MG", PT: "PT", SC: "OT", SR: "SR", SEG: "SEG",
    RTSTRUCT: "RTSTRUCT", PR: "PR", KO: "KO", PDF: "DOC", ECG: "ECG",
}  # fmt: skip

IMAGES = (CT, MR, CR, DX, US, MG, PT, SC)


def technical(sop_class: str) -> Mapping[str, Any]:
    """What every object of a class holds that says nothing of a person, by keyword."""
    return _TECHNICAL[sop_class]


def bare(sop_class: str) -> Dataset:
    """An object with what its class has; no UIDs yet, no patient and no pixels."""
    data_set = Dataset()
    data_set.SOPClassUID, data_set.Modality = sop_class, MODALITIES[sop_class]
    for keyword, value in _TECHNICAL[sop_class].items():
        setattr(data_set, keyword, value)
    return data_set


def give_pixels(data_set: Dataset, rng: random.Random, side: int = 24) -> None:
    """Noise; of a segmentation bits."""
    for keyword, value in _IMAGE.items():
        setattr(data_set, keyword, value)
    data_set.Rows = data_set.Columns = side
    deep = data_set.SOPClassUID in (CT, MR, PT)
    if data_set.SOPClassUID == SEG:
        data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit, data_set.NumberOfFrames = 1, 1, 0, 1
        data_set.PixelData = rng.randbytes(side * side // 8)
        return
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = (16, 12, 11) if deep else (8, 8, 7)
    data_set.PixelData = bytes(b & 0x0F for b in rng.randbytes(side * side * 2)) if deep else rng.randbytes(side * side)


def compress(data_set: Dataset, frame: bytes) -> None:
    """Pixel data in fragments: `frame` is a JPEG."""
    data_set.PixelData = encapsulate([frame])
    data_set["PixelData"].is_undefined_length = True
    data_set.LossyImageCompression = "01"


def reference(source: Dataset) -> Dataset:
    """An item that refers to an instance."""
    return item(ReferencedSOPClassUID=source.SOPClassUID, ReferencedSOPInstanceUID=source.SOPInstanceUID)


def refer(data_set: Dataset, sources: list[Dataset]) -> None:
    """Give a derived object its references to the images of its study."""
    kind, references = data_set.SOPClassUID, [reference(source) for source in sources]
    first = sources[0]
    if kind == SEG:
        series = item(SeriesInstanceUID=first.SeriesInstanceUID, ReferencedInstanceSequence=references)
        data_set.ReferencedSeriesSequence = Sequence([series])
        derived = item(DerivationImageSequence=[item(SourceImageSequence=[reference(first)])])
        data_set.PerFrameFunctionalGroupsSequence = Sequence([derived])
    elif kind == PR:
        data_set.ReferencedSeriesSequence = Sequence(
            [item(SeriesInstanceUID=first.SeriesInstanceUID, ReferencedImageSequence=references)]
        )
    elif kind == RTSTRUCT:
        series = item(SeriesInstanceUID=first.SeriesInstanceUID, ContourImageSequence=references)
        study = item(
            ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
            ReferencedSOPInstanceUID=first.StudyInstanceUID,
            RTReferencedSeriesSequence=[series],
        )
        data_set.ReferencedFrameOfReferenceSequence = Sequence(
            [item(FrameOfReferenceUID=first.FrameOfReferenceUID, RTReferencedStudySequence=[study])]
        )
    elif kind in (SR, KO):
        evidence = item(SeriesInstanceUID=first.SeriesInstanceUID, ReferencedSOPSequence=references)
        data_set.CurrentRequestedProcedureEvidenceSequence = Sequence(
            [item(StudyInstanceUID=first.StudyInstanceUID, ReferencedSeriesSequence=[evidence])]
        )


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """A coded concept."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def content(value_type: str, concept: tuple[str, str, str], **values: Any) -> Dataset:
    """A content item."""
    return item(RelationshipType="CONTAINS", ValueType=value_type, ConceptNameCodeSequence=[code(*concept)], **values)


def item(**values: Any) -> Dataset:
    """A small data set by keywords; lists of data sets become sequences."""
    data_set = Dataset()
    for keyword, value in values.items():
        is_items = isinstance(value, list) and all(isinstance(one, Dataset) for one in value)
        setattr(data_set, keyword, Sequence(value) if is_items else value)
    return data_set


def referred(data_set: Dataset) -> Iterable[str]:
    """The UIDs by which an object names other instances."""
    for element in data_set.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            yield str(element.value)
