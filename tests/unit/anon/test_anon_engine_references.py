"""Objects that point at one another still do after each was de-identified on its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from tests.support.dicom_files import ROOT, make_small
from tests.unit.anon.engine_files import Dates, item, new_data_set, new_file, new_uid, read, written

CT, SEG, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.33"
PR, KO, RT = "1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.88.59", "1.2.840.10008.5.1.4.1.1.481.3"
STUDY, SERIES, IMAGE, FRAME = f"{ROOT}.2.1", f"{ROOT}.3.1", f"{ROOT}.4.1", f"{ROOT}.8.1"
WORD = "ZQPLANTED"


def _head(sop_class: str, number: int, **values: object) -> Dataset:
    head = item(
        SOPClassUID=sop_class,
        SOPInstanceUID=f"{ROOT}.{number}.1",
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=f"{ROOT}.{number}",
        PatientName=WORD,
        PatientID=WORD,
    )
    head.update(item(**values))
    return head


def _image(**values: object) -> Dataset:
    return item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=IMAGE, **values)


def _code(meaning: str = WORD) -> Dataset:
    return item(CodeValue="1", CodingSchemeDesignator="99T", CodeMeaning=meaning)


def _series(**values: object) -> Dataset:
    return item(SeriesInstanceUID=SERIES, **values)


def _evidence() -> list[Dataset]:
    return [item(StudyInstanceUID=STUDY, ReferencedSeriesSequence=[_series(ReferencedSOPSequence=[_image()])])]


def _content() -> list[Dataset]:
    image = item(RelationshipType="INFERRED FROM", ValueType="IMAGE", ReferencedSOPSequence=[_image()])
    text = item(RelationshipType="CONTAINS", ValueType="TEXT", ConceptNameCodeSequence=[_code()], TextValue=WORD)
    number = item(
        ValueType="NUM", MeasuredValueSequence=[item(NumericValue="7", MeasurementUnitsCodeSequence=[_code()])]
    )
    tracked = item(ValueType="UIDREF", UID=IMAGE)
    name = item(ValueType="PNAME", PersonName=WORD)
    return [
        item(
            ValueType="CONTAINER", ContinuityOfContent="SEPARATE", ContentSequence=[image, text, number, tracked, name]
        )
    ]


def _objects() -> Iterator[Dataset]:
    derived = item(
        DerivationImageSequence=[item(SourceImageSequence=[_image()], DerivationCodeSequence=[_code("Segmentation")])]
    )
    yield _head(
        SEG,
        11,
        FrameOfReferenceUID=FRAME,
        ReferencedSeriesSequence=[_series(ReferencedInstanceSequence=[_image()])],
        PerFrameFunctionalGroupsSequence=[derived],
    )
    yield _head(SR, 12, CurrentRequestedProcedureEvidenceSequence=_evidence(), ContentSequence=_content())
    yield _head(PR, 13, ReferencedSeriesSequence=[_series(ReferencedImageSequence=[_image()])])
    yield _head(KO, 14, CurrentRequestedProcedureEvidenceSequence=_evidence(), ContentSequence=_content())
    contour = item(ContourImageSequence=[_image()])
    study = item(RTReferencedSeriesSequence=[_series(ContourImageSequence=[_image()])], ReferencedSOPInstanceUID=STUDY)
    yield _head(
        RT,
        15,
        ReferencedFrameOfReferenceSequence=[item(FrameOfReferenceUID=FRAME, RTReferencedStudySequence=[study])],
        StructureSetROISequence=[item(ROINumber="1", ReferencedFrameOfReferenceUID=FRAME, ROIName="Liver")],
        ROIContourSequence=[item(ContourSequence=[contour])],
    )


def _uids(data_set: Dataset) -> list[str]:
    """Every UID in the object that belongs to a study, a series, an image or a frame of reference of the set."""
    tags = ("ReferencedSOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    wanted = {*tags, "ReferencedFrameOfReferenceUID", "UID"}
    return [str(element.value) for element in data_set.iterall() if element.keyword in wanted]


@pytest.mark.parametrize("dates", Dates)
@pytest.mark.parametrize("number", range(5), ids=["SEG", "SR", "PR", "KO", "RTSTRUCT"])
def test_references_resolve(number: int, dates: Dates) -> None:
    source = list(_objects())[number]
    for data in (written(source), written(source, ImplicitVRLittleEndian)):
        new = new_file(data, dates)
        assert WORD.encode() not in new
        assert _uids(read(new)) == [new_uid(uid) for uid in _uids(source)]
        assert new_uid(IMAGE) in _uids(read(new))


def test_the_set_points_at_the_image_it_is_about() -> None:
    image = new_data_set(make_small())
    for source in _objects():
        new = new_data_set(written(source))
        assert new.StudyInstanceUID == image.StudyInstanceUID
        assert image.SOPInstanceUID in _uids(new)


def test_a_content_tree_keeps_its_shape_and_loses_its_words() -> None:
    report = list(_objects())[1]
    new = new_data_set(written(report)).ContentSequence[0]
    assert [each.ValueType for each in new.ContentSequence] == ["IMAGE", "TEXT", "NUM", "UIDREF", "PNAME"]
    assert new.ContentSequence[1].TextValue == "REMOVED"
    assert new.ContentSequence[1].ConceptNameCodeSequence[0].CodeMeaning == "REMOVED"
    assert len(new.ContentSequence[2].MeasuredValueSequence) == 0
    assert new.ContentSequence[4].PersonName == "REMOVED"


def test_an_empty_content_tree_gets_a_dummy_item() -> None:
    new = new_data_set(written(_head(SR, 12, ContentSequence=[])))
    assert [each.TextValue for each in new.ContentSequence] == ["REMOVED"]


def test_instances_of_one_series_stay_together() -> None:
    slices = [new_data_set(make_small(sop_uid=f"{ROOT}.4.{number}")) for number in range(3)]
    for one, other in pairwise(slices):
        assert one.SeriesInstanceUID == other.SeriesInstanceUID
        assert one.FrameOfReferenceUID == other.FrameOfReferenceUID
        assert one.SOPInstanceUID != other.SOPInstanceUID
