"""The compose stack, run as processes by the file's own command lines, environment, settings and order."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
import trustme
from pynetdicom import AE

from diana.anon.v1 import anon_service_pb2 as anon_pb
from diana.anon.v1.anon_service_pb2_grpc import AnonServiceStub
from diana_client import (
    ArchiveClient,
    GuidClient,
    HealthClient,
    IndexClient,
    OperationClient,
    PermissionDenied,
    Serving,
    TlsOptions,
    Unavailable,
    UploadItem,
    connect,
    raise_if_failed,
    record_attributes,
    subject,
)
from tests.support.compose import Stack
from tests.support.dicom_files import make_small
from tests.support.smtp import MailServer

STUDY, SERIES = "1.2.826.0.1.88.1", "1.2.826.0.1.88.2"
INSTANCES = 3


SUBSCRIPTIONS = """
mammo-hospital_a: Mammography trial, Hospital A
---
- name: Ada Reader
  email: ada@reading-room.example
  channels: [mammo-hospital_a]
"""


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def stack(tmp_path: Path, mail: MailServer) -> Iterator[Stack]:
    """The stack of a site that has named its mail server in .env and its subscribers in their file."""
    with Stack(tmp_path / "stack", {"DIANA_SMTP_HOST": "127.0.0.1", "DIANA_SMTP_PORT": str(mail.port)}) as running:
        (running.deploy / "subscriptions.yaml").write_text(SUBSCRIPTIONS, "utf-8")
        running.up()
        yield running


def upload_study(stack: Stack) -> str:
    """Store a study in "default"; returns the position of its last instance."""
    files = [
        make_small(patient_id="P88", study_uid=STUDY, series_uid=SERIES, sop_uid=f"{SERIES}.{number}")
        for number in range(1, INSTANCES + 1)
    ]
    with connect(stack.address("archive")) as channel:
        results = list(ArchiveClient(channel).upload(UploadItem(str(n), data) for n, data in enumerate(files)))
    assert [result.error for result in results] == [None] * INSTANCES
    return results[-1].position


def send(stack: Stack, port: int = 11112, tls: ssl.SSLContext | None = None) -> int:
    """The status of a C-STORE of one more instance, of a study and a patient of its own."""
    file = pydicom.dcmread(BytesIO(make_small(patient_id="P89", study_uid="1.2.3.89", sop_uid="1.2.3.89.1")))
    modality = AE("CT1")
    modality.add_requested_context(file.SOPClassUID, file.file_meta.TransferSyntaxUID)
    host, _, local = stack.local_address("dimse", port).rpartition(":")
    tls_args = (tls, "localhost") if tls else None
    association = modality.associate(host, int(local), ae_title="DIANA", tls_args=tls_args)
    try:
        return int(association.send_c_store(file).Status)
    finally:
        association.release()


def patient_ids(stack: Stack, study_uid: str, position: str, store: str = "") -> list[str]:
    """The Patient IDs that the index knows a study by."""
    with connect(stack.address("index")) as channel:
        matches = {"StudyInstanceUID": study_uid}
        found = list(IndexClient(channel).find("study", matches, store=store, at_least_position=position))
    return [str(record_attributes(record)["00100020"]) for record in found]


def mint(stack: Stack) -> str:
    """The id that patient P88 becomes."""
    with connect(stack.address("guid")) as channel:
        return str(GuidClient(channel).mint(subject(patient_id="P88")).id)


def anonymize(stack: Stack) -> anon_pb.AnonymizeStudyResult:
    """De-identify the study into the store "deid", as one of a trial's site."""
    request = anon_pb.AnonymizeStudyRequest(
        study_uid=STUDY, target_store="deid", attributes={"trial": "mammo", "site": "hospital_a"}
    )
    with connect(stack.address("anon")) as channel:
        started = AnonServiceStub(channel.raw).AnonymizeStudy(request, timeout=30).operation
        ended = OperationClient(channel).wait(started.name, timeout=60)
    raise_if_failed(ended)
    result = anon_pb.AnonymizeStudyResult()
    assert ended.result.Unpack(result)
    return result


def test_a_study_goes_through_the_whole_stack_which_stops_in_time_and_forgets_nothing(
    stack: Stack, mail: MailServer
) -> None:
    for name, service in stack.services.items():
        for needed in service.get("depends_on", {}):
            assert stack.started.index(needed) < stack.started.index(name)
    position = upload_study(stack)
    assert patient_ids(stack, STUDY, position) == ["P88"]
    assert send(stack) == 0x0000
    identity = mint(stack)
    made = anonymize(stack)
    assert (made.completed, made.instance_count, made.failed_count) == (True, INSTANCES, 0)
    assert patient_ids(stack, made.study_uid, made.position, "deid") == [identity]
    (told,) = mail.wait_for(1)
    assert told.recipients == ("ada@reading-room.example",)
    assert made.study_uid in told.text and STUDY not in told.text

    assert stack.down() == dict.fromkeys(stack.services, 0)

    stack.up("index", "guid", "notify")  # the volumes and the secrets hold all that must last
    assert patient_ids(stack, STUDY, position) == ["P88"]
    with connect(stack.address("index")) as channel:
        assert IndexClient(channel).count("study", {"PatientID": "P89"}) == 1
    assert patient_ids(stack, made.study_uid, made.position, "deid") == [identity]
    assert mint(stack) == identity
    assert len(mail.mails) == 1


def test_with_tls_only_callers_with_a_certificate_are_answered(tmp_path: Path) -> None:
    with Stack(tmp_path / "stack", {}, "deploy/tls.yml") as stack:
        secrets = stack.deploy / "secrets"
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost", *stack.services)
        authority.cert_pem.write_to_path(secrets / "tls_ca")
        certificate.private_key_pem.write_to_path(secrets / "tls_key")
        (secrets / "tls_cert").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        stack.up("index", "guid", "dimse")
        ca, cert, key = (secrets / name for name in ("tls_ca", "tls_cert", "tls_key"))
        for name in stack.started:
            with connect(stack.address(name), tls=TlsOptions(ca, cert, key)) as channel:
                assert HealthClient(channel).check() is Serving.SERVING
        for stranger in (None, TlsOptions(ca)):
            with connect(stack.address("archive"), tls=stranger) as channel, pytest.raises(Unavailable):
                HealthClient(channel).check()
        with connect(stack.address("guid"), tls=TlsOptions(ca, cert, key)) as channel:
            with pytest.raises(PermissionDenied):
                GuidClient(channel).mint(subject(patient_id="P88"))
        token = secrets / "guid_mint_token"
        with connect(stack.address("guid"), tls=TlsOptions(ca, cert, key), token_file=token) as channel:
            assert GuidClient(channel).mint(subject(patient_id="P88")).id
        with connect(stack.address("archive"), tls=TlsOptions(ca, cert, key)) as channel:
            (result,) = ArchiveClient(channel).upload([UploadItem("one", make_small())])
        with connect(stack.address("index"), tls=TlsOptions(ca, cert, key)) as channel:
            assert IndexClient(channel).count("study", at_least_position=result.position) == 1
        modality = ssl.create_default_context(cafile=ca)
        modality.load_cert_chain(cert, key)
        assert send(stack, 2762, modality) == 0x0000
