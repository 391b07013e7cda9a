"""A cohort over the wire, its receipts, its quarantine, and texts."""

from __future__ import annotations

import datetime
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from diana.anon.v1 import anon_service_pb2 as pb
from diana.anon.v1 import receipt_service_pb2 as receipt_pb
from diana.anon.v1.receipt_service_pb2_grpc import ReceiptServiceStub
from diana.operation.v1.operation_service_pb2 import Operation
from diana_anon.config import ProfileConfig
from diana_client import BadAnswer, connect, studies_result, study_result, subject
from tests.contract.anon.conftest import Bench, Serve
from tests.contract.guid.refusals import refused
from tests.support.dicom_files import ROOT, make_small

STUDIES = [f"{ROOT}.2.{number}" for number in (1, 2)]


def put(bench: Bench, *study_uids: str, count: int = 2, **overrides: str) -> None:
    for study_uid in study_uids:
        files = [
            make_small(study_uid=study_uid, series_uid=f"{study_uid}.1", sop_uid=f"{study_uid}.1.{number}", **overrides)
            for number in range(1, count + 1)
        ]
        assert [one.error for one in bench.archive.upload(files)] == [None] * count


def ended(bench: Bench, operation: Operation) -> Operation:
    return bench.operations.wait(operation.name, timeout=60)


def test_a_cohort_arrives_in_the_other_store(bench: Bench) -> None:
    put(bench, *STUDIES)
    operation = ended(bench, bench.anon.anonymize_studies(STUDIES, "deid", attributes={"trial": "atlas"}))
    result = studies_result(operation)
    assert (result.study_count, result.failed_study_count, result.instance_count) == (2, 0, 4)
    assert (operation.kind, operation.progress.unit) == ("anon.studies", "studies")
    assert (operation.progress.done, operation.progress.total) == (2, 2)
    studies = list(bench.archive.studies(store="deid"))
    assert [(one.instance_count, one.complete, dict(one.attributes)) for one in studies] == [
        (2, True, {"trial": "atlas"})
    ] * 2
    with pytest.raises(BadAnswer):
        study_result(operation)


def test_a_study_that_is_not_there_is_a_failure_by_its_uid(bench: Bench) -> None:
    put(bench, *STUDIES)
    operation = ended(bench, bench.anon.anonymize_studies([STUDIES[0], "1.2.3"], "deid"))
    assert (studies_result(operation).study_count, studies_result(operation).failed_study_count) == (1, 1)
    assert [one.item for one in bench.operations.failures(operation.name)] == ["1.2.3"]


@pytest.mark.parametrize("target", ["", "default"])
def test_a_cohort_goes_to_another_store_too(bench: Bench, target: str) -> None:
    request = pb.AnonymizeStudiesRequest(study_uids=STUDIES, target_store=target)
    refusal = refused(bench.stub.AnonymizeStudies, request)
    assert (refusal.reason, refusal.fields) == ("INVALID_FIELD", ["target_store"])


def test_receipts_are_signed_by_a_listed_key_and_name_what_is_in_the_store(serve: Serve) -> None:
    bench = serve()
    put(bench, *STUDIES)
    name = ended(bench, bench.anon.anonymize_studies(STUDIES, "deid")).name
    with connect(bench.address) as channel:
        stub = ReceiptServiceStub(channel.raw)
        (key,) = stub.ListSigningKeys(receipt_pb.ListSigningKeysRequest()).keys
        public = Ed25519PublicKey.from_public_bytes(key.public_key)
        receipts = stub.ListReceipts(receipt_pb.ListReceiptsRequest(operation=name)).receipts
        assert len(receipts) == 4
        for receipt in receipts:
            public.verify(receipt.signature, receipt.statement)
            said = json.loads(receipt.statement)
            assert receipt.key_id == key.key_id
            assert hashlib.sha256(receipt.actions).hexdigest() == said["actions_sha256"]
            data = b"".join(bench.archive.read(said["sop_instance_uid"], store="deid"))
            assert hashlib.sha256(data).hexdigest() == said["result_sha256"]
            asked = receipt_pb.GetReceiptRequest(result_sha256=said["result_sha256"])
            assert stub.GetReceipt(asked).receipt == receipt
        by_uid = receipt_pb.GetReceiptRequest(sop_instance_uid=said["sop_instance_uid"])
        assert stub.GetReceipt(by_uid).receipt == receipt
        unknown = receipt_pb.GetReceiptRequest(sop_instance_uid="1.2.3")
        assert refused(stub.GetReceipt, unknown).reason == "RECEIPT_NOT_FOUND"


def test_receipts_come_in_pages_by_instance(serve: Serve) -> None:
    bench = serve()
    put(bench, STUDIES[0], count=5)
    operation = ended(bench, bench.anon.anonymize_study(STUDIES[0], "deid"))
    request = receipt_pb.ListReceiptsRequest(
        study_uid=study_result(operation).study_uid, page_size=2, omit_actions=True
    )
    found: list[receipt_pb.Receipt] = []
    sizes = []
    with connect(bench.address) as channel:
        stub = ReceiptServiceStub(channel.raw)
        while True:
            page = stub.ListReceipts(request)
            sizes.append(len(page.receipts))
            found += page.receipts
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        other = receipt_pb.ListReceiptsRequest(operation=operation.name, page_token=request.page_token)
        assert refused(stub.ListReceipts, other).reason == "PAGE_TOKEN_INVALID"
    assert sizes == [2, 2, 1]
    uids = [json.loads(one.statement)["sop_instance_uid"] for one in found]
    assert uids == sorted(set(uids))
    assert not any(one.actions for one in found)


def test_what_is_held_back_is_listed_and_let_go(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diana_anon.core.studies.case.leaks", lambda *_: ("(0008,1030)",))
    bench = serve()
    put(bench, STUDIES[0])
    operation = ended(bench, bench.anon.anonymize_study(STUDIES[0], "deid"))
    assert (study_result(operation).failed_count, study_result(operation).quarantined_count) == (2, 2)
    with connect(bench.address) as channel:
        stub = ReceiptServiceStub(channel.raw)
        request = receipt_pb.ListQuarantinedRequest(operation=operation.name, page_size=1)
        first = stub.ListQuarantined(request)
        request.page_token = first.next_page_token
        second = stub.ListQuarantined(request)
        assert not second.next_page_token
        entries = [*first.entries, *second.entries]
        assert {one.sop_instance_uid for one in entries} == {f"{STUDIES[0]}.1.{number}" for number in (1, 2)}
        assert {one.reason for one in entries} == {receipt_pb.QUARANTINE_REASON_IDENTIFIER_LEFT}
        assert abs(entries[0].create_time.ToDatetime(datetime.UTC) - datetime.datetime.now(datetime.UTC)).days == 0
        release = receipt_pb.ReleaseQuarantinedRequest(ids=[one.id for one in entries], released_by="Dr. Look")
        assert [one.id for one in stub.ReleaseQuarantined(release).entries] == [one.id for one in entries]
        assert not stub.ListQuarantined(receipt_pb.ListQuarantinedRequest()).entries
        shown = receipt_pb.ListQuarantinedRequest(show_released=True)
        assert {one.released_by for one in stub.ListQuarantined(shown).entries} == {"Dr. Look"}
        unknown = receipt_pb.ReleaseQuarantinedRequest(ids=["none"], released_by="Dr. Look")
        assert refused(stub.ReleaseQuarantined, unknown).reason == "QUARANTINE_ENTRY_NOT_FOUND"
    assert study_result(ended(bench, bench.anon.anonymize_study(STUDIES[0], "deid"))).completed


def test_a_text_loses_what_the_request_and_the_study_name(bench: Bench) -> None:
    put(bench, STUDIES[0], PatientName="Plantagenet^Philippa")
    text = "Ms. Plantagenet, referred by Dr. Whittington, has a small nodule in the left lung."
    answer = bench.anon.anonymize_text(text, study_uid=STUDIES[0], identifiers=["Whittington^Richard"])
    assert "Plantagenet" not in answer.text
    assert "Whittington" not in answer.text
    assert "a small nodule in the left lung" in answer.text
    assert answer.changed_count >= 2
    about = subject("4711-ABC", name="Plantagenet^Philippa")
    assert "Philippa" not in bench.anon.anonymize_text("PHILIPPA has no finding.", subject=about).text


def test_dates_in_a_text_move_with_the_subjects_own(serve: Serve) -> None:
    bench = serve(profiles={"longitudinal": ProfileConfig("research-longitudinal")})
    about = subject("4711-ABC", name="Plantagenet^Philippa")
    texts = [f"Seen on {day}, unchanged." for day in ("2024-02-28", "2024-03-11")]
    moved = [bench.anon.anonymize_text(one, subject=about, profile="longitudinal").text for one in texts]
    days = [datetime.date.fromisoformat(one.split()[2].strip(",")) for one in moved]
    assert days[1] - days[0] == datetime.timedelta(days=12)
    assert days[0] != datetime.date(2024, 2, 28)
    request = pb.AnonymizeTextRequest(text=texts[0], profile="longitudinal")
    refusal = refused(bench.stub.AnonymizeText, request)
    assert (refusal.reason, refusal.fields) == ("SUBJECT_INVALID", ["subject"])


def test_a_text_about_a_study_that_is_not_there_is_refused(bench: Bench) -> None:
    request = pb.AnonymizeTextRequest(text="Text.", study_uid="1.2.3")
    assert refused(bench.stub.AnonymizeText, request).reason == "STUDY_NOT_FOUND"
