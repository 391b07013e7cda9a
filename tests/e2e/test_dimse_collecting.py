"""A retrieval whose door is killed goes on where it was."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from diana_client import ArchiveClient, DimseClient, OperationClient, connect, raise_if_failed, retrieve_result
from diana_common.dicomjson import first_value
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import Operation, request, response
from diana_dimse.wire.datasets import decode, encode
from tests.support.dicom_files import ROOT, make_small
from tests.support.mesh import Mesh
from tests.unit.dimse.scripted_peer import ScriptedPeer

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDIES = [f"{ROOT}.88.{number}" for number in range(1, 6)]
INSTANCES = 2
HELD = STUDIES[2]


class Pacs(ScriptedPeer):
    """Has five studies; holds up in the midst of one until it is let go on."""

    def __init__(self) -> None:
        super().__init__(c_find=self.find, c_get=self.get, c_echo=_succeed)
        self.asked: list[str] = []
        self.is_held, self.goes_on = threading.Event(), threading.Event()

    def transfer_syntax(self, abstract_syntax: str, proposed: Sequence[str]) -> str | None:
        return proposed[0]

    def find(self, association: Association, message: Message) -> None:
        asked = decode(message.read(1 << 16), message.context.transfer_syntax)
        told = {**asked, "00201208": {"vr": "IS", "Value": [INSTANCES]}}
        data = encode(told, message.context.transfer_syntax)
        pending = response(message.command, 0xFF00, has_data_set=True)
        association.send(message.context.context_id, pending, [data])
        _succeed(association, message)

    def get(self, association: Association, message: Message) -> None:
        study_uid = first_value(decode(message.read(1 << 16), message.context.transfer_syntax), "0020000D") or ""
        self.asked.append(study_uid)
        for number in range(INSTANCES):
            _send(association, study_uid, number)
            if study_uid == HELD:
                self.is_held.set()
                self.goes_on.wait(60)
        done = response(message.command, 0, completed_suboperations=INSTANCES)
        association.send(message.context.context_id, done)


def _succeed(association: Association, message: Message) -> None:
    association.send(message.context.context_id, response(message.command, 0))


def _send(association: Association, study_uid: str, number: int) -> None:
    """One C-STORE and its answer."""
    uid = f"{study_uid}.1.{number}"
    file = make_small(StudyInstanceUID=study_uid, SeriesInstanceUID=f"{study_uid}.1", SOPInstanceUID=uid)
    context = association.agreed.context_for(CT)
    assert context is not None
    command = request(
        Operation.C_STORE, number + 1, has_data_set=True, affected_sop_class_uid=CT, affected_sop_instance_uid=uid,
        priority=0,
    )  # fmt: skip
    association.send(context.context_id, command, [file[144 + int.from_bytes(file[140:144], "little") :]])
    association.receive()


def test_a_retrieval_goes_on_after_a_kill_without_asking_again_for_what_is_complete(tmp_path: Path) -> None:
    with Pacs() as pacs:
        settings = {
            "DIANA_DIMSE_PEERS__PACS__TITLE": "PACS",
            "DIANA_DIMSE_PEERS__PACS__HOST": pacs.remote.host,
            "DIANA_DIMSE_PEERS__PACS__PORT": str(pacs.remote.port),
            "DIANA_DIMSE_PEERS__PACS__RETRIEVE": "get",
        }
        with Mesh(tmp_path, "dimse", settings=settings) as mesh:
            with connect(mesh.dimse) as channel:
                started = DimseClient(channel).retrieve_studies("pacs", STUDIES)
            assert pacs.is_held.wait(30)
            mesh.processes["dimse"].kill()
            pacs.goes_on.set()
            mesh.processes["dimse"].start()
            with connect(mesh.dimse) as channel, connect(mesh.archive) as archive:
                operation = OperationClient(channel).wait(started.name, timeout=60)
                raise_if_failed(operation)
                assert retrieve_result(operation).complete_study_count == len(STUDIES)
                assert all(ArchiveClient(archive).study(one).complete for one in STUDIES)
            assert sorted(pacs.asked) == sorted([*STUDIES, HELD])
