"""Objects that refer to images: a segmentation, a structured report, a presentation state. Made with pydicom."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    SegmentationStorage,
)

_COPIED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)


def segmentation(images: Sequence[Dataset]) -> bytes:
    """A binary segmentation of a frame for each image, which its Derivation Image Sequence names."""
    new = _beside(images[0], "SEG", SegmentationStorage)
    new.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    new.ReferencedSeriesSequence = _by_series(images, "ReferencedInstanceSequence")
    new.SegmentSequence = [_of(SegmentNumber=1, SegmentLabel="Lesion", SegmentAlgorithmType="MANUAL")]
    new.PerFrameFunctionalGroupsSequence = [
        _of(
            DerivationImageSequence=[_of(SourceImageSequence=[_reference(one)])],
            SegmentIdentificationSequence=[_of(ReferencedSegmentNumber=1)],
        )
        for one in images
    ]
    new.SegmentationType, new.NumberOfFrames = "BINARY", len(images)
    new.Rows = new.Columns = 8
    new.SamplesPerPixel, new.PhotometricInterpretation = 1, "MONOCHROME2"
    new.BitsAllocated = new.BitsStored = 1
    new.HighBit = new.PixelRepresentation = 0
    new.PixelData = bytes(8 * len(images) + 8 * len(images) % 2)
    return _part10(new)


def report(images: Sequence[Dataset]) -> bytes:
    """A structured report whose tree names each image, and its evidence too."""
    new = _beside(images[0], "SR", ComprehensiveSRStorage)
    new.CurrentRequestedProcedureEvidenceSequence = [
        _of(
            StudyInstanceUID=images[0].StudyInstanceUID,
            ReferencedSeriesSequence=_by_series(images, "ReferencedSOPSequence"),
        )
    ]
    new.CompletionFlag, new.VerificationFlag = "COMPLETE", "UNVERIFIED"
    new.ValueType, new.ContinuityOfContent = "CONTAINER", "SEPARATE"
    new.ConceptNameCodeSequence = [_code(Code("126000", "DCM", "Imaging Measurement Report"))]
    new.ContentSequence = [
        _of(
            RelationshipType="CONTAINS",
            ValueType="IMAGE",
            ConceptNameCodeSequence=[_code(Code("121112", "DCM", "Source of Measurement"))],
            ReferencedSOPSequence=[_reference(one)],
        )
        for one in images
    ]
    return _part10(new)


def presentation_state(images: Sequence[Dataset]) -> bytes:
    """A grayscale presentation state of the images."""
    new = _beside(images[0], "PR", GrayscaleSoftcopyPresentationStateStorage)
    new.ReferencedSeriesSequence = _by_series(images, "ReferencedImageSequence")
    new.ContentLabel, new.ContentDescription = "KEY", ""
    new.PresentationCreationDate, new.PresentationCreationTime = "20260114", "110000"
    new.PresentationLUTShape = "IDENTITY"
    return _part10(new)


def _beside(image: Dataset, modality: str, sop_class: UID) -> Dataset:
    """A new instance of a new series of the image's study."""
    new = Dataset()
    for keyword in _COPIED:
        setattr(new, keyword, image[keyword].value)
    new.SOPClassUID, new.Modality = sop_class, modality
    new.SeriesInstanceUID = f"{image.StudyInstanceUID}.9{len(modality)}.{ord(modality[0])}"
    new.SOPInstanceUID = f"{new.SeriesInstanceUID}.1"
    new.SeriesNumber, new.InstanceNumber = "9", "1"
    new.ContentDate, new.ContentTime = "20260114", "110000"
    return new


def _by_series(images: Sequence[Dataset], keyword: str) -> list[Dataset]:
    """An item for each series, with its images referenced under `keyword`."""
    series = dict.fromkeys(one.SeriesInstanceUID for one in images)
    return [
        _of(SeriesInstanceUID=uid, **{keyword: [_reference(one) for one in images if one.SeriesInstanceUID == uid]})
        for uid in series
    ]


def _reference(image: Dataset) -> Dataset:
    return _of(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)


def _code(code: Code) -> Dataset:
    return _of(CodeValue=code.value, CodingSchemeDesignator=code.scheme_designator, CodeMeaning=code.meaning)


def _of(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _part10(new: Dataset) -> bytes:
    new.file_meta = FileMetaDataset()
    new.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    dcmwrite(buffer, new, enforce_file_format=True)
    return buffer.getvalue()
