"""Two studies, one after the other, in a domain with the older system's UIDs: references between them resolve."""

from __future__ import annotations

import json
from io import BytesIO

from pydicom import Dataset, dcmread

from diana.operation.v1.operation_service_pb2 import Operation
from diana_anon.config import ProfileConfig
from diana_client import ReceiptClient, connect
from tests.contract.anon.conftest import Bench, Serve
from tests.support.dicom_files import ROOT, make_small
from tests.unit.anon.engine_files import item, written

CT, KO = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.59"
PRIOR, SERIES, IMAGE = f"{ROOT}.2.7", f"{ROOT}.3.7", f"{ROOT}.4.7"
STUDY, KEY_OBJECT = f"{ROOT}.2.8", f"{ROOT}.4.8"


def image() -> Dataset:
    return item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=IMAGE)


def key_object() -> bytes:
    """A key object of another study, that names the image with its series and study, and once more without."""
    series = item(SeriesInstanceUID=SERIES, ReferencedSOPSequence=[image()])
    evidence = item(StudyInstanceUID=PRIOR, ReferencedSeriesSequence=[series])
    return written(
        item(
            SOPClassUID=KO,
            SOPInstanceUID=KEY_OBJECT,
            StudyInstanceUID=STUDY,
            SeriesInstanceUID=f"{ROOT}.3.8",
            PatientID="4711",
            PatientName="DOE^JANE",
            PatientBirthDate="19710615",
            CurrentRequestedProcedureEvidenceSequence=[evidence],
            ContentSequence=[item(ValueType="IMAGE", RelationshipType="CONTAINS", ReferencedSOPSequence=[image()])],
        )
    )


def prior() -> bytes:
    person = {"PatientID": "4711", "PatientName": "DOE^JANE", "PatientBirthDate": "19710615"}
    return make_small(study_uid=PRIOR, series_uid=SERIES, sop_uid=IMAGE, **person)


def lone() -> bytes:
    """An image that names another one of a study that nobody knows."""
    data_set = dcmread(BytesIO(prior()))
    data_set.StudyInstanceUID, data_set.SOPInstanceUID = f"{ROOT}.2.9", f"{ROOT}.4.9"
    data_set.ReferencedImageSequence = [item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=f"{ROOT}.4.99")]
    return written(data_set)


def anonymized(bench: Bench, study_uid: str) -> None:
    name = bench.anon.anonymize_study(study_uid, "deid", profile="old").name
    assert bench.operations.wait(name, timeout=60).state == Operation.STATE_SUCCEEDED


def stored(bench: Bench) -> list[Dataset]:
    studies = list(bench.archive.studies(store="deid"))
    return [
        dcmread(BytesIO(one.read()))
        for study in studies
        for one in bench.archive.download(study.study_uid, store="deid")
    ]


def test_a_key_object_leads_to_an_image_that_is_deidentified_after_it(serve: Serve) -> None:
    bench = serve(profiles={"old": ProfileConfig(domain="old")})
    assert [one.error for one in bench.archive.upload([key_object(), prior()])] == [None] * 2
    anonymized(bench, STUDY)
    anonymized(bench, PRIOR)
    made = {str(one.SOPClassUID): one for one in stored(bench)}
    evidence = made[KO].CurrentRequestedProcedureEvidenceSequence[0]
    series = evidence.ReferencedSeriesSequence[0]
    shown = made[KO].ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    found = (
        evidence.StudyInstanceUID,
        series.SeriesInstanceUID,
        series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID,
    )
    assert found == (made[CT].StudyInstanceUID, made[CT].SeriesInstanceUID, made[CT].SOPInstanceUID)
    assert shown == made[CT].SOPInstanceUID


def test_the_receipt_tells_of_a_reference_that_leads_nowhere(serve: Serve) -> None:
    bench = serve(profiles={"old": ProfileConfig(domain="old")})
    assert [one.error for one in bench.archive.upload([lone()])] == [None]
    anonymized(bench, f"{ROOT}.2.9")
    (made,) = stored(bench)
    with connect(bench.address) as channel:
        receipt = ReceiptClient(channel).get(made.SOPInstanceUID)
    assert ["(0008,1140)[0].(0008,1155)", "map-unplaced"] in json.loads(receipt.actions)
