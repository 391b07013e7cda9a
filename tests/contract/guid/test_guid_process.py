"""The service as a process: same key, same identities; and its log tells nothing of a patient."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grpc

from diana.guid.v1 import guid_service_pb2 as pb
from diana.guid.v1.guid_service_pb2_grpc import GuidServiceStub
from tests.contract.guid.refusals import refused
from tests.support.mesh import Mesh

SECRET = "ZZSECRETZZ"
SUBJECT = pb.Subject(patient_id=SECRET, issuer=SECRET, name=SECRET)
SETTINGS = {"DIANA_GUID_SERVER__LOG_LEVEL": "debug"}


def minted(address: str) -> pb.MintIdentityResponse:
    with grpc.insecure_channel(address) as channel:
        answer: pb.MintIdentityResponse = GuidServiceStub(channel).MintIdentity(pb.MintIdentityRequest(subject=SUBJECT))
        return answer


def test_processes_of_one_key_give_one_identity_and_so_does_a_restarted_one(tmp_path: Path) -> None:
    key = tmp_path / "shared.key"
    shared = {
        "DIANA_GUID_DOMAINS__DEFAULT__KEY_FILE": str(key),
        "DIANA_GUID_DOMAINS__DEFAULT__CREATE_KEY": "true",
    }
    with Mesh(tmp_path / "a", "guid", settings=shared) as one, Mesh(tmp_path / "b", "guid", settings=shared) as other:
        first = minted(one.guid)
        assert first == minted(other.guid)
        assert one.processes["guid"].stop() == 0
        one.processes["guid"].start()
        assert minted(one.guid) == first


def test_patient_values_are_neither_logged_nor_kept(tmp_path: Path) -> None:
    with Mesh(tmp_path, "guid", settings=SETTINGS) as mesh:
        minted(mesh.guid)
        with grpc.insecure_channel(mesh.guid) as channel:
            mint = GuidServiceStub(channel)
            nameless = pb.Subject(issuer=SECRET, name=SECRET)
            texts = [
                refused(mint.MintIdentity, pb.MintIdentityRequest(subject=nameless)).text,
                refused(mint.MintIdentity, pb.MintIdentityRequest(subject=SUBJECT, domain=SECRET)).text,
                refused(mint.MapIdentifiers, pb.MapIdentifiersRequest(uids=[SECRET])).text,
                refused(mint.MapIdentifiers, pb.MapIdentifiersRequest(accession_numbers=[SECRET * 8])).text,
                refused(mint.MintHierarchicalUid, pb.MintHierarchicalUidRequest(path=[SECRET] * 5)).text,
            ]
            batch = pb.BatchMintIdentitiesRequest(subjects=[nameless, SUBJECT])
            texts.append(str(mint.BatchMintIdentities(batch)))
        log = mesh.processes["guid"].log()
    assert '"refused"' in log
    assert not any(SECRET in text for text in [log, *texts])
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() or SECRET in path.name for path in kept)


def test_a_wrong_setting_ends_the_process_with_a_clear_message(tmp_path: Path) -> None:
    settings = tmp_path / "guid.yaml"
    settings.write_text("domains: {Trial: {}}")
    ended = subprocess.run(
        [sys.executable, "-m", "diana_guid", "--config", str(settings)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 4
    assert "domains.Trial: a domain's name is" in ended.stderr
    assert "Traceback" not in ended.stderr
