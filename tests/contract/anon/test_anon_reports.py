"""Previews and reports through their contract, in every form, and receipts verified by the client alone."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from diana.anon.v1.receipt_service_pb2 import QuarantineEntry, Receipt
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import (
    AsyncReceiptClient,
    MeshError,
    ReceiptClient,
    ReceiptInvalid,
    connect,
    connect_async,
    studies_result,
    verify_receipt,
)
from diana_client.receipts import ReportForm
from tests.contract.anon.conftest import Bench
from tests.support.dicom_files import ROOT, make_small

STUDY, OTHER = f"{ROOT}.2.1", f"{ROOT}.2.2"
HOSTILE = "<script>alert(1)"


@pytest.fixture
def receipts(bench: Bench) -> ReceiptClient:
    return ReceiptClient(connect(bench.address))


def small(number: int, study: str = STUDY, **overrides: Any) -> bytes:
    uids = {"study_uid": study, "series_uid": f"{study}.1", "sop_uid": f"{study}.1.{number}"}
    return make_small(**{**uids, "PatientID": study[-5:], **overrides})


def put(bench: Bench, *files: bytes) -> None:
    assert not [one.error for one in bench.archive.upload(files) if one.error]


def run(bench: Bench, *studies: str, preview: bool = False, profile: str = "") -> Operation:
    target = "" if preview else "deid"
    started = bench.anon.anonymize_studies(studies, target, preview=preview, profile=profile)
    ended = bench.operations.wait(started.name, timeout=30)
    assert ended.state == Operation.STATE_SUCCEEDED, ended.error
    return ended


def written(receipts: ReceiptClient, operation: Operation, form: ReportForm) -> bytes:
    return b"".join(receipts.report(operation.name, form))


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(MeshError) as caught:
        call()
    return caught.value.reason


def test_a_preview_stores_nothing_and_tells_actions_and_text_that_would_remain(
    bench: Bench, receipts: ReceiptClient
) -> None:
    put(bench, small(1, KVP="120", ConvolutionKernel="B30f"), small(2, ConvolutionKernel="B70f"))
    operation = run(bench, STUDY, preview=True)
    result = studies_result(operation)
    assert (result.study_count, result.instance_count, result.target_store) == (1, 2, "")
    assert not list(bench.archive.studies(store="deid"))
    assert not list(receipts.receipts(operation=operation.name))
    report = json.loads(written(receipts, operation, "json"))
    assert report["preview"]
    counts = report["counts"]
    assert [counts[one] for one in ("studies", "instances", "refused", "quarantined", "conflicts")] == [1, 2, 0, 0, 0]
    assert counts["texts"] == len(report["remaining_text"]) == result.remaining_text_count
    acted = {(one["path"], one["attribute"]): (one["action"], one["times"]) for one in report["actions"]}
    assert acted["(0010,0010)", "PatientName"][1] == 2
    texts = {(one["path"], one["text"]): one["times"] for one in report["remaining_text"]}
    assert texts["(0018,1210)", "B30f"] == 1
    assert not [path for path, _ in texts if path == "(0010,0010)"]


def test_a_preview_tells_of_two_people_who_would_share_a_pseudonym(bench: Bench, receipts: ReceiptClient) -> None:
    ada = {"PatientID": "7", "PatientName": "Lovelace^Ada", "PatientBirthDate": "18151210"}
    charles = {"PatientID": "7", "PatientName": "Babbage^Charles", "PatientBirthDate": "17911226"}
    put(bench, small(1, **ada), small(1, OTHER, **charles))
    report = json.loads(written(receipts, run(bench, STUDY, OTHER, preview=True), "json"))
    assert report["counts"]["conflicts"] == 1
    (conflict,) = report["conflicts"]
    assert (conflict["item"], conflict["reason"]) == (f"{OTHER}.1.1", "IDENTITY_COLLISION")
    assert "Babbage" not in json.dumps(report)


def test_a_preview_tells_of_instances_that_would_be_refused_and_of_studies_that_are_not_there(
    bench: Bench, receipts: ReceiptClient
) -> None:
    put(bench, small(1), small(2, PatientID=""))
    operation = run(bench, STUDY, OTHER, preview=True)
    result = studies_result(operation)
    assert (result.study_count, result.failed_study_count, result.failed_count) == (1, 1, 1)
    report = json.loads(written(receipts, operation, "json"))
    found = {one["item"]: one["reason"] for one in report["refused"]}
    assert found == {f"{STUDY}.1.2": "SUBJECT_INVALID", OTHER: "STUDY_NOT_FOUND"}


def test_what_an_object_says_is_escaped_in_a_page_and_is_no_formula_in_a_table(
    bench: Bench, receipts: ReceiptClient
) -> None:
    put(bench, small(1, ConvolutionKernel=HOSTILE), small(2, ConvolutionKernel="=1+1"))
    operation = run(bench, STUDY, preview=True)
    page = written(receipts, operation, "html").decode()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    texts = {one["text"] for one in rows(written(receipts, operation, "csv")) if one["kind"] == "text"}
    assert {"'=1+1", HOSTILE} <= texts


def test_the_report_of_a_cohort_in_every_form(bench: Bench, receipts: ReceiptClient) -> None:
    put(bench, small(1), small(2), small(3, OTHER), small(4, PatientID=""))
    operation = run(bench, STUDY, OTHER)
    report = json.loads(written(receipts, operation, "json"))
    counts = report["counts"]
    assert (counts["studies"], counts["instances"], counts["refused"]) == (2, 3, 1)
    assert report["operation"]["kind"] == "anon.studies"
    assert (report["profile"], report["standard"]) == ("default", "PS3.15 2026c")
    assert report["methods"][0] == {"code": "113100", "meaning": "Basic Application Confidentiality Profile"}
    assert report["signing_keys"][0]["key_id"] == receipts.signing_keys()[0].key_id
    proofs = {one["sop_instance_uid"]: one for one in report["receipts"]}
    for one in receipts.receipts(operation=operation.name):
        said = json.loads(one.statement)
        proof = proofs.pop(said["sop_instance_uid"])
        assert (proof["result_sha256"], proof["signature"]) == (said["result_sha256"], one.signature.hex())
    assert not proofs
    lines = rows(written(receipts, operation, "csv"))
    assert {one["result_sha256"] for one in lines if one["result_sha256"]} == {
        one["result_sha256"] for one in report["receipts"]
    }
    assert [one["action"] for one in lines if one["sop_instance_uid"] == f"{STUDY}.1.4"] == ["refused: SUBJECT_INVALID"]
    page = written(receipts, operation, "html").decode()
    for said in (
        operation.name,
        "113100 Basic",
        report["receipts"][0]["result_sha256"],
        "PatientName",
        "SUBJECT_INVALID",
    ):
        assert said in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_single_studys_operation_has_a_report_too(bench: Bench, receipts: ReceiptClient) -> None:
    put(bench, small(1), small(2))
    operation = bench.operations.wait(bench.anon.anonymize_study(STUDY, "deid").name, timeout=30)
    report = json.loads(written(receipts, operation, "json"))
    assert (report["operation"]["kind"], report["operation"]["state"]) == ("anon.study", "succeeded")
    assert [one["instances"] for one in report["studies"]] == [2]


def test_an_operation_that_is_not_known_has_no_report(receipts: ReceiptClient) -> None:
    assert refused(lambda: list(receipts.report("operations/anon-99"))) == "OPERATION_NOT_FOUND"


def test_a_receipt_is_verified_by_the_client_alone_and_a_changed_one_is_not(
    bench: Bench, receipts: ReceiptClient
) -> None:
    put(bench, small(1))
    operation = run(bench, STUDY)
    (receipt,) = receipts.receipts(operation=operation.name)
    keys = receipts.signing_keys()
    uid = json.loads(receipt.statement)["sop_instance_uid"]
    result = b"".join(bench.archive.read(uid, store="deid"))
    said = verify_receipt(receipt, keys, result=result)
    assert said["sop_instance_uid"] == uid
    assert receipts.get(result_sha256=said["result_sha256"]) == receipts.get(uid) == receipt
    forged: list[tuple[dict[str, Any], bytes]] = [
        ({"statement": receipt.statement.replace(b'"scan":"clean"', b'"scan":"dirty"')}, result),
        ({"signature": bytes(64)}, result),
        ({"signature": b"short"}, result),
        ({"key_id": "0" * 16}, result),
        ({"actions": b"[]"}, result),
        ({}, result + b"\0"),
    ]
    for change, file in forged:
        other = type(receipt)()
        other.CopyFrom(receipt)
        for name, value in change.items():
            setattr(other, name, value)
        with pytest.raises(ReceiptInvalid):
            verify_receipt(other, keys, result=file)
    strange = type(keys[0])(key_id=keys[0].key_id, public_key=bytes(32))
    with pytest.raises(ReceiptInvalid):
        verify_receipt(receipt, [strange])


def test_the_same_for_asyncio(bench: Bench, receipts: ReceiptClient) -> None:
    put(bench, small(1))
    operation = run(bench, STUDY)

    async def ask() -> tuple[list[Receipt], Receipt, bytes, int, list[QuarantineEntry]]:
        async with connect_async(bench.address) as channel:
            client = AsyncReceiptClient(channel)
            listed = [one async for one in client.receipts(operation=operation.name)]
            uid = json.loads(listed[0].statement)["sop_instance_uid"]
            report = b"".join([piece async for piece in client.report(operation.name, "json")])
            held = [one async for one in client.quarantined(operation=operation.name)]
            return listed, await client.get(uid), report, len(await client.signing_keys()), held

    listed, got, report, keys, held = asyncio.run(ask())
    assert listed == [got] == list(receipts.receipts(operation=operation.name))
    assert (report, keys, held) == (written(receipts, operation, "json"), 1, [])
