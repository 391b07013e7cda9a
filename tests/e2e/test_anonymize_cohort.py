"""A cohort whose service is killed again and again ends as one that nobody disturbed."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from diana.anon.v1 import receipt_service_pb2 as pb
from diana.anon.v1.receipt_service_pb2_grpc import ReceiptServiceStub
from diana_client import AnonClient, ArchiveClient, Channel, MeshError, OperationClient, connect, studies_result
from tests.support.dicom_files import ROOT, make_small
from tests.support.mesh import Mesh

STUDIES = [f"{ROOT}.2.{number}" for number in range(1, 5)]
INSTANCES = 90
KILLS = 3


def instances(study_uid: str) -> list[bytes]:
    """Those of one study, in two series; the patient of one of them is not named."""
    uids = [(f"{study_uid}.{number % 2 + 1}", number) for number in range(INSTANCES)]
    nobody = {STUDIES[2]: 7}
    return [
        make_small(
            study_uid=study_uid,
            series_uid=series,
            sop_uid=f"{series}.{number}",
            patient_id="" if nobody.get(study_uid) == number else "PLANTED-4711",
        )
        for series, number in uids
    ]


def receipts(channel: Channel, operation: str) -> list[pb.Receipt]:
    """All of an operation, each verified."""
    stub = ReceiptServiceStub(channel.raw)
    keys = {
        key.key_id: Ed25519PublicKey.from_public_bytes(key.public_key)
        for key in stub.ListSigningKeys(pb.ListSigningKeysRequest()).keys
    }
    request = pb.ListReceiptsRequest(operation=operation, page_size=200)
    found: list[pb.Receipt] = []
    while True:
        page = stub.ListReceipts(request)
        found += page.receipts
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    for receipt in found:
        keys[receipt.key_id].verify(receipt.signature, receipt.statement)
    return found


def digests(archive: ArchiveClient, store: str) -> dict[str, str]:
    """SHA-256 of all files of a store, by SOP Instance UID."""
    return {
        one.instance.sop_instance_uid: hashlib.sha256(one.read()).hexdigest()
        for study in archive.studies(store=store)
        for one in archive.download(study.study_uid, store=store)
    }


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    return Mesh(tmp_path, "anon", settings={"DIANA_ARCHIVE_STORES": "{deid: {}, second: {}}"})


def test_an_interrupted_cohort_ends_as_an_undisturbed_one(mesh: Mesh) -> None:
    with mesh, ExitStack() as channels:
        channel = channels.enter_context(connect(mesh.anon))
        anon, operations = AnonClient(channel), OperationClient(channel)
        archive = ArchiveClient(channels.enter_context(connect(mesh.archive)))
        for uid in STUDIES:
            assert not [one.error for one in archive.upload(instances(uid)) if one.error]

        name = anon.anonymize_studies([*STUDIES, "1.2.3"], "deid").name
        for kill in range(KILLS):
            stored = archive.statistics(store="deid").instance_count
            while archive.statistics(store="deid").instance_count < stored + 30 + 30 * kill:
                time.sleep(0.01)
            mesh.processes["anon"].kill()
            mesh.processes["anon"].start()
        operation = operations.wait(name, timeout=120)
        undisturbed = operations.wait(anon.anonymize_studies([*STUDIES, "1.2.3"], "second").name, timeout=120)

        assert (operation.attempts, undisturbed.attempts) == (KILLS + 1, 1)
        result, expected = studies_result(operation), studies_result(undisturbed)
        counts = ("study_count", "failed_study_count", "instance_count", "failed_count", "quarantined_count")
        assert [getattr(result, one) for one in counts] == [getattr(expected, one) for one in counts]
        assert (result.study_count, result.failed_study_count) == (3, 2)
        assert (result.instance_count, result.failed_count) == (4 * INSTANCES - 1, 1)
        for each in (operation, undisturbed):
            failures = [one.item for one in operations.failures(each.name)]
            assert failures == [f"{STUDIES[2]}.2.7", "1.2.3"]

        stores = {store: digests(archive, store) for store in ("deid", "second")}
        assert stores["deid"] == stores["second"]
        assert archive.statistics(store="deid").instance_count == result.instance_count
        complete = {study.study_uid: study.complete for study in archive.studies(store="deid")}
        assert complete == {study.study_uid: study.complete for study in archive.studies(store="second")}
        assert sum(complete.values()) == 3

        for each, store in ((operation, "deid"), (undisturbed, "second")):
            statements = [json.loads(one.statement) for one in receipts(channel, each.name)]
            assert {one["sop_instance_uid"]: one["result_sha256"] for one in statements} == stores[store]
            assert len(statements) == result.instance_count


@pytest.mark.parametrize("stored", [1, 40])
def test_what_a_kill_left_stored_has_its_receipt_though_the_operation_is_cancelled_then(
    mesh: Mesh, stored: int
) -> None:
    with mesh, ExitStack() as channels:
        channel = channels.enter_context(connect(mesh.anon))
        anon, operations = AnonClient(channel), OperationClient(channel)
        archive = ArchiveClient(channels.enter_context(connect(mesh.archive)))
        assert not [one.error for one in archive.upload(instances(STUDIES[0])) if one.error]
        name = anon.anonymize_study(STUDIES[0], "deid").name
        while archive.statistics(store="deid").instance_count < stored:
            time.sleep(0.001)
        mesh.processes["anon"].kill()
        left = digests(archive, "deid")
        assert left.items() <= kept(mesh).items()
        mesh.processes["anon"].start()
        with suppress(MeshError):  # it may have ended by itself
            operations.cancel(name)
        operations.wait(name, timeout=60)
        found = {one["sop_instance_uid"]: one["result_sha256"] for one in said(receipts(channel, name))}
        assert found == digests(archive, "deid")


def kept(mesh: Mesh) -> dict[str, str]:
    """What receipts a service that does not run has, pending ones too: result digests by SOP Instance UID."""
    with closing(sqlite3.connect(mesh.processes["anon"].state / "anon" / "proof.sqlite")) as proof:
        return dict(proof.execute("SELECT sop_instance_uid, lower(hex(result_sha256)) FROM receipt"))


def said(found: list[pb.Receipt]) -> list[dict[str, str]]:
    """The statements of those that are not pending."""
    return [json.loads(one.statement) for one in found if not one.pending]
