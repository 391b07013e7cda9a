"""The sealed signature: whose a de-identified study is."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from diana.archive.v1.archive_service_pb2 import GetInstanceHeaderResponse
from diana.archive.v1.resources_pb2 import Instance
from diana_client import ArchiveClient
from diana_common.attempts import Refused
from diana_common.errors import DianaError
from diana_route.core.rules import Anonymize
from diana_route.peers.sealing import Signature, sealed_key
from tests.support.route_tasks import study_item, task_of
from tests.unit.route.rule_files import header

JOB = task_of(study_item("1.2"), [Anonymize("trial")]).job


class FakeArchive:
    """Has one instance, and keeps what is sealed."""

    def __init__(self, **values: object) -> None:
        self.header_json = header(**values)
        self.sealed: dict[str, str] | None = None

    def instances(self, study_uid: str, **options: Any) -> Any:
        return iter([Instance(study_uid=study_uid, sop_instance_uid="1.2.3")])

    def header(self, uid: str, store: str) -> GetInstanceHeaderResponse:
        return GetInstanceHeaderResponse(dicom_json=json.dumps(self.header_json).encode())

    def seal_attributes(self, study_uid: str, values: dict[str, str], store: str, origin: object) -> None:
        self.sealed = values


def sealed(*keywords: str, **values: object) -> dict[str, str] | None:
    archive = FakeArchive(**values)
    Signature(keywords).seal(cast(ArchiveClient, archive), study_item("1.2"), JOB, "trial", "2.25.1")
    return archive.sealed


def test_keys_are_keywords_in_small_letters() -> None:
    keywords = {
        "PatientID": "patient_id",
        "AccessionNumber": "accession_number",
        "StudyInstanceUID": "study_instance_uid",
        "SOPInstanceUID": "sop_instance_uid",
    }
    assert {keyword: sealed_key(keyword) for keyword in keywords} == keywords


def test_values_are_written_as_dicom_writes_them() -> None:
    name = {"Alphabetic": "Phantom^Petra", "Ideographic": "幻^ペ"}
    found = sealed("PatientName", "StudyTime", "PatientName", PatientName=name, StudyTime="100900.5")
    assert found == {"patient_name": "Phantom^Petra=幻^ペ", "study_time": "100900.5"}


def test_what_the_original_has_not_is_left_out_and_nothing_is_sealed_for_nothing() -> None:
    assert sealed("PatientID", "PatientName", PatientID="P1") == {"patient_id": "P1"}
    assert sealed("PatientName", PatientID="P1") is None
    assert sealed(PatientID="P1") is None


def test_what_is_too_long_is_named_and_not_shown() -> None:
    with pytest.raises(Refused, match="PatientComments of the original is longer than can be sealed") as caught:
        sealed("PatientComments", PatientComments="secret" * 200)
    assert "secret" not in caught.value.why


@pytest.mark.parametrize("keywords", [["PatientId"], [f"Patient{number}" for number in range(70)], ["0010,0020"]])
def test_only_keywords_are_taken(keywords: list[str]) -> None:
    with pytest.raises(DianaError) as caught:
        Signature(keywords)
    assert caught.value.fields[0].field == "sealed"
