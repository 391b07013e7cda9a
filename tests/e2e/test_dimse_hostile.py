"""Hostile sessions of all services against a live door: it logs no fault, keeps its size, and serves the next one."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom.dsutils import encode as encode_data_set

from diana_dimse.core.sop_classes import (
    MODALITY_WORKLIST_FIND,
    PATIENT_ROOT_FIND,
    PROCEDURE_STEP,
    STORAGE_COMMITMENT,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from diana_dimse.network.commands import Operation, encode, request
from tests.support.dicom_files import ROOT, make_small
from tests.support.dimse_sender import SUCCESS, send
from tests.support.mesh import Mesh
from tests.unit.dimse.network.hostility import good_sessions, hostile_session
from tests.unit.dimse.network.upper_layer import (
    CT,
    EXPLICIT,
    RELEASE_RQ,
    associate_rq,
    context_item,
    extended_item,
    message,
    role_item,
    user_item,
)

MIB = 1 << 20
ATTACKERS = 8
MOST = 300 * MIB
SECONDS = 60.0
ASKED = {
    1: (Operation.C_FIND, STUDY_ROOT_FIND),
    3: (Operation.C_FIND, PATIENT_ROOT_FIND),
    5: (Operation.C_MOVE, STUDY_ROOT_MOVE),
    7: (Operation.C_GET, STUDY_ROOT_GET),
    9: (Operation.C_FIND, MODALITY_WORKLIST_FIND),
    11: (Operation.N_ACTION, STORAGE_COMMITMENT),
    13: (Operation.N_CREATE, PROCEDURE_STEP),
    15: (Operation.N_SET, PROCEDURE_STEP),
    17: (Operation.C_STORE, CT),
}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    state = tmp_path_factory.mktemp("mesh")
    (state / "worklist").mkdir()
    settings = {
        "DIANA_DIMSE_WORKLIST_DIR": str(state / "worklist"),
        "DIANA_DIMSE_PEERS": "{pacs: {title: PACS, host: 127.0.0.1, port: 9}}",
    }
    with Mesh(state, "dimse", settings=settings) as mesh:
        yield mesh


def _identifier() -> bytes:
    found = Dataset()
    found.QueryRetrieveLevel = "STUDY"
    found.PatientName = "A*^B?"
    found.PatientID = "P1"
    found.StudyDate = "20200101-20261231"
    found.StudyInstanceUID = f"{ROOT}.93"
    found.TransactionUID = "1.2.3"
    found.PerformedProcedureStepID = "PPS1"
    found.PerformedProcedureStepStatus = "IN PROGRESS"
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, f"{ROOT}.93.1"
    found.ReferencedSOPSequence = [item]
    step = Dataset()
    step.Modality = "CT"
    found.ScheduledProcedureStepSequence = [step]
    return encode_data_set(found, False, True) or b""


def _session(context_id: int, data: bytes) -> bytes:
    operation, sop_class = ASKED[context_id]
    contexts = [context_item(one, uid, EXPLICIT) for one, (_, uid) in ASKED.items()]
    user = user_item(role_item(CT, 1, 1), extended_item(sop_class, b"\1\1\1"))
    command = request(
        operation,
        1,
        has_data_set=True,
        affected_sop_class_uid=sop_class,
        requested_sop_class_uid=sop_class,
        affected_sop_instance_uid="1.2.3.4",
        requested_sop_instance_uid="1.2.3.4",
        move_destination="PACS",
        priority=0,
        action_type_id=1,
    )
    cancel = request(Operation.C_CANCEL, 2, message_id_being_responded_to=1)
    sent = message(context_id, encode(command), data) + message(context_id, encode(cancel))
    return associate_rq(*contexts, user=user) + sent + RELEASE_RQ


def sessions() -> list[bytes]:
    """One of each operation that a peer may ask for."""
    data = _identifier()
    return [*good_sessions(), *(_session(one, data) for one in ASKED)]


def _attack(address: str, data: bytes) -> None:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
        except (ConnectionError, TimeoutError):
            return


class Watched:
    """The door's process."""

    def __init__(self, mesh: Mesh) -> None:
        popen = mesh.processes["dimse"].popen
        assert popen is not None
        self._place = Path(f"/proc/{popen.pid}")

    def status(self, name: str) -> int:
        """A number of its status."""
        lines = (self._place / "status").read_text().splitlines()
        return next(int(one.split()[1]) for one in lines if one.startswith(f"{name}:"))

    def descriptors(self) -> int:
        """How many files it has open."""
        return sum(1 for _ in (self._place / "fd").iterdir())

    def comes_to_rest(self, threads: int, descriptors: int) -> bool:
        """Whether it has no more threads and open files than that, soon."""
        until = time.monotonic() + SECONDS
        while self.status("Threads") > threads or self.descriptors() > descriptors:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 400), pytest.param(2, 20_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_hostile_sessions_of_all_services_harm_nobody(mesh: Mesh, seed: int, count: int) -> None:
    good, identifier = sessions(), _identifier()
    for one in good:
        _attack(mesh.dicom, one)
    watched = Watched(mesh)

    def attack(attacker: int) -> None:
        dice = random.Random(seed * 1000 + attacker)
        for _ in range(count // ATTACKERS // 2):
            _attack(mesh.dicom, hostile_session(dice, good))
            _attack(mesh.dicom, _session(dice.choice(list(ASKED)), hostile_session(dice, [identifier])))

    with ThreadPoolExecutor(ATTACKERS) as attackers:
        list(attackers.map(attack, range(ATTACKERS)))
    assert send(mesh.dicom, [make_small(SOPInstanceUID=f"{ROOT}.94.{seed}")]) == [SUCCESS]
    log = mesh.processes["dimse"].log()
    errors = [one for one in log.splitlines() if '"error"' in one or '"warning"' in one or "Traceback" in one]
    assert errors == []
    assert watched.status("VmHWM") * 1024 < MOST
    assert watched.comes_to_rest(threads=40, descriptors=80)
