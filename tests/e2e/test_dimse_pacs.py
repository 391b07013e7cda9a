"""PACS that we query, retrieve from and send to, Orthanc and DCMTK's dcmqrscp: through a live mesh and its client."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from bench.peers import orthanc
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import (
    ArchiveClient,
    DimseClient,
    InvalidRequest,
    NotFound,
    OperationClient,
    Unavailable,
    connect,
    raise_if_failed,
    retrieve_result,
    send_result,
)
from tests.support.dcmqrscp import dcmqrscp
from tests.support.dicom_files import ROOT, make_small
from tests.support.mesh import Mesh
from tests.support.smtp import free_port

pytestmark = pytest.mark.skipif(
    not (orthanc.BINARY.exists() and shutil.which("dcmqrscp")) and "CI" not in os.environ,
    reason="Orthanc or DCMTK is not installed",
)

STUDIES, INSTANCES = 4, 3


def study_uid(number: int) -> str:
    return f"{ROOT}.66.{number}"


def studies() -> Iterator[bytes]:
    for number in range(1, STUDIES + 1):
        for instance in range(1, INSTANCES + 1):
            yield make_small(
                StudyInstanceUID=study_uid(number),
                SeriesInstanceUID=f"{study_uid(number)}.1",
                SOPInstanceUID=f"{study_uid(number)}.1.{instance}",
                AccessionNumber=f"A{number}",
                StudyDate=f"2026010{number}",
                PatientID=f"P{number}",
                PatientName="Müller^Jörg" if number == 1 else "Other^Olga",
            )


@dataclass
class Site:
    """A PACS, and a mesh that may use it."""

    pacs: orthanc.Orthanc
    mesh: Mesh

    @contextmanager
    def clients(self) -> Iterator[tuple[DimseClient, OperationClient, ArchiveClient]]:
        with connect(self.mesh.dimse) as dimse, connect(self.mesh.archive) as archive:
            yield DimseClient(dimse), OperationClient(dimse), ArchiveClient(archive)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, door = tmp_path_factory.mktemp("orthanc"), free_port()
    more = {"DicomModalities": {"diana": ["DIANA", "127.0.0.1", door]}, "DicomAlwaysAllowGet": True}
    files = tmp_path_factory.mktemp("files")
    for number, data in enumerate(studies()):
        (files / f"{number}.dcm").write_bytes(data)
    with orthanc.running(folder, more) as pacs, dcmqrscp(tmp_path_factory.mktemp("dcmqr"), door) as dcmqr:
        orthanc.upload(pacs, sorted(files.iterdir()), 1)
        subprocess.run(["storescu", "-aec", "DCMQR", "127.0.0.1", str(dcmqr), "+sd", files], check=True)
        with Mesh(tmp_path_factory.mktemp("mesh"), "dimse", settings=_settings(pacs.dicom_port, dcmqr, door)) as mesh:
            yield Site(pacs, mesh)


def _settings(pacs: int, dcmqr: int, door: int) -> Mapping[str, str]:
    peers = {"PACS": ("ORTHANC", pacs), "DCMQR": ("DCMQR", dcmqr), "GONE": ("GONE", free_port())}
    settings = {"DIANA_DIMSE_LISTEN": f"127.0.0.1:{door}", "DIANA_DIMSE_PEERS__GONE__ATTEMPTS": "1"}
    for name, (title, port) in peers.items():
        prefix = f"DIANA_DIMSE_PEERS__{name}"
        settings |= {f"{prefix}__TITLE": title, f"{prefix}__HOST": "127.0.0.1", f"{prefix}__PORT": str(port)}
    return settings


def ended(operations: OperationClient, operation: Operation) -> Operation:
    operation = operations.wait(operation.name, timeout=60)
    raise_if_failed(operation)
    return operation


def test_the_configuration_is_listed(site: Site) -> None:
    with site.clients() as (dimse, _, _):
        peers = dimse.peers()
        named = [(one.name, one.ae_title) for one in peers]
        assert named == [("dcmqr", "DCMQR"), ("gone", "GONE"), ("pacs", "ORTHANC")]
        assert peers[2].address == f"127.0.0.1:{site.pacs.dicom_port}"
        assert dimse.local_entities().address == site.mesh.dicom


def test_an_echo_tells_whether_a_peer_is_there(site: Site) -> None:
    with site.clients() as (dimse, _, _):
        assert 0 < dimse.echo("pacs") < 10
        with pytest.raises(Unavailable) as gone:
            dimse.echo("gone")
        assert gone.value.reason == "AE_UNAVAILABLE"
        with pytest.raises(NotFound) as unknown:
            dimse.echo("nobody")
        assert unknown.value.reason == "AE_UNKNOWN"


def test_a_query_is_answered_with_names_in_unicode(site: Site) -> None:
    with site.clients() as (dimse, _, _):
        [found] = dimse.find("pacs", "study", {"PatientName": "Müller*"})
        assert found["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
        assert found["0020000D"]["Value"] == [study_uid(1)]
        assert found["00201208"]["Value"] in ([INSTANCES], [str(INSTANCES)])
        series = list(dimse.find("pacs", "series", {"StudyInstanceUID": study_uid(2)}))
        assert [one["0020000E"]["Value"] for one in series] == [[f"{study_uid(2)}.1"]]


def test_more_answers_than_wanted_are_cut_and_said_so(site: Site) -> None:
    with site.clients() as (dimse, _, _):
        answers = dimse.find("pacs", "study", {"StudyDate": "20260101-"}, limit=2)
        with pytest.raises(InvalidRequest) as refused:
            for number, _ in enumerate(answers, start=1):
                assert number <= 2
        assert refused.value.reason == "RESULT_TOO_LARGE"


def test_a_key_that_is_no_attribute_is_refused(site: Site) -> None:
    with site.clients() as (dimse, _, _), pytest.raises(InvalidRequest) as refused:
        list(dimse.find("pacs", "study", {"NoSuchThing": "1"}))
    assert refused.value.reason == "KEY_UNSUPPORTED"


@pytest.mark.parametrize(
    ("peer", "method", "number"), [("pacs", "move", 1), ("pacs", "get", 2), ("dcmqr", "move", 3), ("dcmqr", "get", 4)]
)
def test_studies_come_into_the_archive_whole(site: Site, peer: str, method: str, number: int) -> None:
    with site.clients() as (dimse, operations, archive):
        started = dimse.retrieve_accessions(peer, [f"A{number}", "NONE"], method=method, request_id=f"{number}")
        again = dimse.retrieve_accessions(peer, [f"A{number}", "NONE"], method=method, request_id=f"{number}")
        assert again.name == started.name
        operation = ended(operations, started)
        result = retrieve_result(operation)
        assert (result.study_count, result.complete_study_count, result.instance_count) == (1, 1, INSTANCES)
        assert [one.item for one in operations.failures(operation.name)] == ["NONE"]
        study = archive.study(study_uid(number))
        assert study.instance_count == INSTANCES
        assert study.complete or peer == "dcmqr"  # which does not count, so that the archive waits for a while


def test_a_span_of_days_is_swept(site: Site) -> None:
    with site.clients() as (dimse, operations, archive):
        operation = ended(operations, dimse.retrieve_dates("pacs", "20260103", "20260105", days=2))
        assert retrieve_result(operation).complete_study_count == 2
        assert archive.study(study_uid(4)).instance_count == INSTANCES


def test_instances_are_sent_to_the_pacs_which_commits_itself_to_keep_them(site: Site) -> None:
    uid = f"{ROOT}.67"
    data = make_small(StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", SOPInstanceUID=f"{uid}.1.1")
    with site.clients() as (dimse, operations, archive):
        assert all(one.error is None for one in archive.upload([data]))
        operation = ended(operations, dimse.send("pacs", study_uids=[uid, f"{ROOT}.68"], commit=True))
        result = send_result(operation)
        assert (result.instance_count, result.sent_count, result.committed_count) == (1, 1, 1)
        assert [one.item for one in operations.failures(operation.name)] == [f"{ROOT}.68"]
        assert len(list(dimse.find("pacs", "study", {"StudyInstanceUID": uid}))) == 1
