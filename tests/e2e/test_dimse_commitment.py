"""Storage commitment both ways with Orthanc, and storage commitment and MPPS with pynetdicom, through a live mesh."""

from __future__ import annotations

import http.client
import json
import os
import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association

from bench.peers import orthanc
from diana.archive.v1.feed_pb2 import CompletionReason
from diana_client import (
    ArchiveClient,
    DimseClient,
    OperationClient,
    UploadItem,
    connect,
    raise_if_failed,
    send_result,
)
from diana_dimse.core.commitment.model import PUSH_MODEL_INSTANCE
from diana_dimse.core.sop_classes import PROCEDURE_STEP, PROCEDURE_STEP_RETRIEVE, STORAGE_COMMITMENT
from tests.support.commitment_fakes import CT, MR
from tests.support.dicom_files import ROOT, make_small
from tests.support.mesh import Mesh
from tests.support.smtp import free_port

pytestmark = pytest.mark.skipif(
    not orthanc.BINARY.exists() and "CI" not in os.environ, reason="Orthanc is not installed"
)

STUDY = f"{ROOT}.70.1"
UIDS = [f"{STUDY}.1.{number}" for number in range(1, 4)]
ABSENT = f"{STUDY}.1.9"
WITHIN_SECONDS = 30.0


def instance(uid: str, study: str = STUDY) -> bytes:
    return make_small(StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID=uid)


@dataclass
class Modality:
    """A pynetdicom AE that asks, and hears events over any association."""

    door: str
    port: int
    events: queue.Queue[tuple[int | None, Dataset, bool]] = field(default_factory=queue.Queue)
    """Event Type ID, Event Information, and whether it came over an association of its own."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        ae = AE("MODALITY")
        ae.add_supported_context(STORAGE_COMMITMENT, scu_role=False, scp_role=True)
        server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=self._handlers())
        assert server is not None
        try:
            yield
        finally:
            server.shutdown()

    @contextmanager
    def associated(self, *sop_classes: str) -> Iterator[Association]:
        host, _, port = self.door.rpartition(":")
        ae = AE("MODALITY")
        for one in sop_classes:
            ae.add_requested_context(one)
        roles: list[Any] = [build_role(one, scu_role=True, scp_role=False) for one in sop_classes]
        association = ae.associate(host, int(port), ae_title="DIANA", ext_neg=roles, evt_handlers=self._handlers())
        assert association.is_established
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def ask(self, association: Association, references: Mapping[str, str]) -> str:
        """Ask for commitment to these SOP Instance UIDs of these SOP Classes; the Transaction UID."""
        asked = Dataset()
        asked.TransactionUID = generate_uid()
        asked.ReferencedSOPSequence = [_reference(name, uid) for uid, name in references.items()]
        status, _ = association.send_n_action(asked, 1, STORAGE_COMMITMENT, PUSH_MODEL_INSTANCE)
        assert status.Status == 0
        return str(asked.TransactionUID)

    def heard(self) -> tuple[int | None, Dataset, bool]:
        return self.events.get(timeout=WITHIN_SECONDS)

    def _handlers(self) -> list[Any]:
        return [(evt.EVT_N_EVENT_REPORT, self._hear)]

    def _hear(self, event: evt.Event) -> tuple[int, None]:
        self.events.put((event.event_type, event.event_information, event.assoc.is_acceptor))
        return 0x0000, None


def _reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


@dataclass
class Site:
    """A PACS and a modality around a mesh."""

    pacs: orthanc.Orthanc
    mesh: Mesh
    modality: Modality

    def post(self, path: str, body: Any) -> Any:
        """The JSON that Orthanc's REST answers."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.pacs.http_port, timeout=30)) as connection:
            connection.request("POST", path, json.dumps(body))
            response = connection.getresponse()
            answer = response.read()
            assert response.status == 200, answer
            return json.loads(answer)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    door, modality = free_port(), free_port()
    more = {"DicomModalities": {"diana": ["DIANA", "127.0.0.1", door]}}
    with orthanc.running(tmp_path_factory.mktemp("orthanc"), more) as pacs:
        settings = {
            "DIANA_DIMSE_LISTEN": f"127.0.0.1:{door}",
            "DIANA_DIMSE_COMMITMENT__ARRIVAL_SECONDS": "1",
            **_peer("PACS", "ORTHANC", pacs.dicom_port),
            **_peer("MODALITY", "MODALITY", modality),
        }
        with Mesh(tmp_path_factory.mktemp("mesh"), "dimse", settings=settings) as mesh:
            with connect(mesh.archive) as archive:
                results = ArchiveClient(archive).upload([UploadItem(uid, instance(uid)) for uid in UIDS])
                assert not [one.error for one in results if one.error]
            yield Site(pacs, mesh, Modality(mesh.dicom, modality))


def _peer(name: str, title: str, port: int) -> dict[str, str]:
    settings = {"TITLE": title, "HOST": "127.0.0.1", "PORT": str(port)}
    return {f"DIANA_DIMSE_PEERS__{name}__{key}": value for key, value in settings.items()}


def uids(information: Dataset, keyword: str = "ReferencedSOPSequence") -> list[str]:
    return sorted(str(one.ReferencedSOPInstanceUID) for one in information.get(keyword, []))


def test_orthanc_asks_us_and_hears_of_each_instance(site: Site) -> None:
    wanted = [[CT, uid] for uid in [*UIDS, ABSENT]]
    asked = site.post("/modalities/diana/storage-commitment", {"DicomInstances": wanted})
    until = time.monotonic() + WITHIN_SECONDS
    while (report := site.pacs.get(asked["Path"]))["Status"] == "Pending" and time.monotonic() < until:
        time.sleep(0.1)
    assert report["Status"] == "Failure"
    assert sorted(one["SOPInstanceUID"] for one in report["Success"]) == UIDS
    [failed] = report["Failures"]
    assert (failed["SOPInstanceUID"], failed["FailureReason"]) == (ABSENT, 0x0112)


def test_orthanc_commits_itself_to_what_was_sent_to_it(site: Site) -> None:
    with connect(site.mesh.dimse) as channel:
        started = DimseClient(channel).send("pacs", study_uids=[STUDY], commit=True)
        operation = OperationClient(channel).wait(started.name, timeout=60)
        raise_if_failed(operation)
        result = send_result(operation)
    assert (result.instance_count, result.sent_count, result.committed_count) == (3, 3, 3)


def test_a_requestor_that_stays_hears_over_the_same_association(site: Site) -> None:
    with site.modality.associated(STORAGE_COMMITMENT) as association:
        first = site.modality.ask(association, dict.fromkeys(UIDS, CT))
        kind, information, is_new = site.modality.heard()
        assert (kind, information.TransactionUID, uids(information), is_new) == (1, first, UIDS, False)
        site.modality.ask(association, {UIDS[0]: MR, UIDS[1]: CT})
        kind, information, _ = site.modality.heard()
        assert (kind, uids(information), uids(information, "FailedSOPSequence")) == (2, [UIDS[1]], [UIDS[0]])
        assert information.FailedSOPSequence[0].FailureReason == 0x0119


def test_instances_of_several_studies_are_committed_to_until_they_are_deleted(site: Site) -> None:
    study, uid = f"{ROOT}.72", f"{ROOT}.72.1.1"
    wanted = dict.fromkeys([*UIDS, uid], CT)
    with connect(site.mesh.archive) as channel, site.modality.associated(STORAGE_COMMITMENT) as association:
        archive = ArchiveClient(channel)
        assert not [one for one in archive.upload([UploadItem(uid, instance(uid, study))]) if one.error]
        site.modality.ask(association, wanted)
        kind, information, _ = site.modality.heard()
        assert (kind, uids(information)) == (1, sorted(wanted))
        archive.delete(study)
        site.modality.ask(association, wanted)
        kind, information, _ = site.modality.heard()
    assert (kind, uids(information), uids(information, "FailedSOPSequence")) == (2, UIDS, [uid])
    assert information.FailedSOPSequence[0].FailureReason == 0x0112


def test_a_requestor_that_leaves_hears_after_the_door_was_killed_and_started_again(site: Site) -> None:
    with site.modality.associated(STORAGE_COMMITMENT) as association:
        transaction = site.modality.ask(association, {UIDS[0]: CT})
    door = site.mesh.processes["dimse"]
    door.kill()
    with site.modality.listening():
        door.start()
        kind, information, is_new = site.modality.heard()
    assert (kind, information.TransactionUID, uids(information), is_new) == (1, transaction, [UIDS[0]], True)


def _step(study: str) -> Dataset:
    step, scheduled = Dataset(), Dataset()
    scheduled.StudyInstanceUID = study
    step.ScheduledStepAttributesSequence = [scheduled]
    step.PatientName, step.PatientID = "Müller^Jörg", "P7"
    step.SpecificCharacterSet = "ISO_IR 100"
    step.PerformedProcedureStepID, step.PerformedStationAETitle, step.Modality = "STEP7", "MODALITY", "CT"
    step.PerformedProcedureStepStartDate, step.PerformedProcedureStepStartTime = "20260102", "101500"
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.PerformedSeriesSequence = []
    return step


def _end(status: str, study: str, listed: list[str]) -> Dataset:
    end, series = Dataset(), Dataset()
    end.PerformedProcedureStepStatus = status
    end.PerformedProcedureStepEndDate, end.PerformedProcedureStepEndTime = "20260102", "103000"
    series.SeriesInstanceUID = f"{study}.1"
    series.ReferencedImageSequence = [_reference(CT, uid) for uid in listed]
    end.PerformedSeriesSequence = [series]
    return end


def test_a_procedure_step_completes_its_study_in_the_archive(site: Site) -> None:
    study, uid = f"{ROOT}.71", generate_uid()
    listed = [f"{study}.1.{number}" for number in (1, 2)]
    with (
        site.modality.associated(PROCEDURE_STEP, PROCEDURE_STEP_RETRIEVE) as association,
        connect(site.mesh.archive) as channel,
    ):
        status, _ = association.send_n_create(_step(study), PROCEDURE_STEP, uid)
        assert status.Status == 0
        assert association.send_n_create(_step(study), PROCEDURE_STEP, uid)[0].Status == 0x0111
        archive = ArchiveClient(channel)
        assert not [
            one for one in archive.upload([UploadItem(one, instance(one, study)) for one in listed]) if one.error
        ]
        assert association.send_n_set(_end("COMPLETED", study, listed), PROCEDURE_STEP, uid)[0].Status == 0
        refused = association.send_n_set(_end("DISCONTINUED", study, listed), PROCEDURE_STEP, uid)[0]
        assert (refused.Status, refused.ErrorID) == (0x0110, 0xA710)
        status, found = association.send_n_get([], PROCEDURE_STEP_RETRIEVE, uid)
        assert found is not None
        assert (status.Status, found.PerformedProcedureStepStatus, found.PatientName) == (0, "COMPLETED", "Müller^Jörg")
        completed = next(
            entry.study_completed
            for message in archive.watch_feed()
            for entry in message.entries
            if entry.study_completed.study_uid == study
        )
    assert completed.reason == CompletionReason.COMPLETION_REASON_PROCEDURE_STEP_COMPLETED
    steps = [one.procedure_step for one in completed.evidence if one.HasField("procedure_step")]
    assert [(one.procedure_step_uid, list(one.sop_instance_uids)) for one in steps] == [(uid, listed)]
