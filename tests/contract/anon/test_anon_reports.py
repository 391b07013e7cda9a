"""Previews and reports through their contract, in every form, and receipts verified by the client alone."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from diana.anon.v1.receipt_service_pb2 import QuarantineEntry, Receipt
from diana.operation.v1.operation_service_pb2 import Operation
from diana_anon.config import ProfileConfig
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
from tests.contract.anon.conftest import Bench, Serve
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
    assert (result.study_count, result.failed_study_count, result.failed_count) == (0, 2, 1)
    report = json.loads(written(receipts, operation, "json"))
    assert {one["item"]: one["reason"] for one in report["refused"]} == {f"{STUDY}.1.2": "SUBJECT_INVALID"}
    assert {one["item"]: one["reason"] for one in report["failed_studies"]} == {OTHER: "STUDY_NOT_FOUND"}


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
    assert (counts["studies"], counts["failed_studies"], counts["instances"], counts["refused"]) == (1, 1, 3, 1)
    assert {one["source_study_uid"] for one in report["studies"]} == {""}
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


CLEANING = """
profile: cleaning
extends: basic
options: [clean-pixel-data]
pixels: {read_text: false}
"""
ADA = {"PatientID": "7", "PatientName": "Lovelace^Ada", "PatientBirthDate": "18151210"}
CHARLES = {"PatientID": "7", "PatientName": "Babbage^Charles", "PatientBirthDate": "17911226"}


def test_a_preview_a_run_and_every_form_of_their_reports_count_alike(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "cleaning.yaml").write_text(CLEANING)
    bench = serve(profiles={"cleaning": ProfileConfig(file=tmp_path / "cleaning.yaml")})
    receipts = ReceiptClient(connect(bench.address))
    third, absent = f"{ROOT}.2.3", f"{ROOT}.2.4"
    put(bench, small(1, **ADA), small(2, **ADA), small(1, OTHER, **CHARLES), small(2, OTHER, **ADA))
    put(bench, small(1, third), small(2, third, PatientID=""), small(3, third, BurnedInAnnotation="YES"))
    studies = [STUDY, OTHER, third, absent]
    preview, done = (run(bench, *studies, preview=one, profile="cleaning") for one in (True, False))
    expected = {"studies": 1, "failed_studies": 3, "instances": 4, "refused": 3, "quarantined": 1}
    stored = [study.instance_count for study in bench.archive.studies(store="deid")]
    assert sum(stored) == 4 == len(list(receipts.receipts(operation=done.name)))
    for operation in (preview, done):
        result = studies_result(operation)
        told = (result.study_count, result.failed_study_count, result.instance_count, result.failed_count)
        assert (*told, result.quarantined_count) == tuple(expected.values())
        report = json.loads(written(receipts, operation, "json"))
        assert {name: report["counts"][name] for name in expected} == expected
        lists = ("quarantine", "refused", "conflicts")
        assert sum(len(report.get(name, [])) for name in lists) == expected["refused"]
        assert sum(one["instances"] for one in report["studies"]) == 4
        assert sum(one["refused"] for one in report["studies"]) == 3
        page = written(receipts, operation, "html").decode()
        tiles = re.findall(r"<b>([0-9]+)</b>([a-z ]+)</li>", page)
        assert [int(number) for number, _ in tiles[:5]] == list(expected.values())
    lines = rows(written(receipts, done, "csv"))
    assert len({one["result_sha256"] for one in lines} - {""}) == 4
    ends = Counter(one["action"].partition(":")[0] for one in lines if ": " in one["action"])
    assert ends == {"refused": 2, "quarantined": 1, "study failed": 1}
    kinds = Counter(one["kind"] for one in rows(written(receipts, preview, "csv")))
    assert [kinds[one] for one in ("refused", "quarantined", "conflict", "study failed")] == [1, 1, 1, 1]


def test_no_file_ties_a_source_study_to_its_new_uid_once_the_work_has_ended(
    bench: Bench, receipts: ReceiptClient
) -> None:
    put(bench, small(1, **ADA), small(2, **ADA), small(1, OTHER))
    single = bench.operations.wait(bench.anon.anonymize_study(STUDY, "deid").name, timeout=30)
    assert STUDY not in written(receipts, single, "json").decode()
    both = run(bench, STUDY, OTHER)
    assert len(json.loads(written(receipts, both, "json"))["studies"]) == 2
    run(bench, STUDY, preview=True)
    (new,) = {one["study_uid"] for one in json.loads(written(receipts, single, "json"))["studies"]}
    files = {path.name: path.read_bytes() for path in bench.state.rglob("*") if path.is_file()}
    with_source = {name for name, data in files.items() if STUDY.encode() in data}
    assert with_source <= {"previews.sqlite", "previews.sqlite-wal"}
    assert not [name for name, data in files.items() if b"Lovelace" in data]
    assert any(new.encode() in files[name] for name in files if name.startswith("proof.sqlite"))
    with closing(sqlite3.connect(bench.state / "previews.sqlite")) as previews:
        assert previews.execute("SELECT count(*) FROM subject").fetchone() == (0,)


def test_a_birth_date_that_is_emptied_is_told_to_be(bench: Bench, receipts: ReceiptClient) -> None:
    put(bench, small(1, **ADA))
    (receipt,) = receipts.receipts(operation=run(bench, STUDY).name)
    assert ["(0010,0030)", "empty"] in json.loads(receipt.actions)


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
