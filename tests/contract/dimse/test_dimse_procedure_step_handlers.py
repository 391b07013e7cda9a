"""N-CREATE, N-SET and N-GET of procedure steps over an association: statuses, UIDs, attributes, character sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from diana_common.uid import is_uid
from diana_dimse.core.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, PROCEDURE_STEP, PROCEDURE_STEP_RETRIEVE
from diana_dimse.core.steps.keeping import ProcedureSteps
from diana_dimse.handlers.procedure_steps import ChangeStepHandler, CreateStepHandler, RetrieveStepHandler
from diana_dimse.handlers.session import Handler
from diana_dimse.network.association import Association
from diana_dimse.network.commands import CommandSet, Operation, request
from diana_dimse.stores.steps import SqliteSteps
from diana_dimse.wire.datasets import decode, encode
from diana_dimse.wire.reading import DataSetReader
from tests.contract.dimse.finding_door import associated, open_door
from tests.support.commitment_fakes import Watched, Weighed
from tests.unit.dimse.test_dimse_procedure_steps import STATUS, begun, element, ended

UID, NAME = "1.5", "00100010"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    store = SqliteSteps(tmp_path / "steps.sqlite", most=2)
    steps = ProcedureSteps(store, Weighed(), Watched(), 1000, lambda: 0)
    handlers: dict[tuple[Operation, str] | Operation, Handler] = {
        (Operation.N_CREATE, PROCEDURE_STEP): CreateStepHandler(steps, DataSetReader()),
        (Operation.N_SET, PROCEDURE_STEP): ChangeStepHandler(steps, DataSetReader()),
        (Operation.N_GET, PROCEDURE_STEP_RETRIEVE): RetrieveStepHandler(steps),
    }
    with open_door(handlers) as port:
        yield port


def send(
    association: Association, operation: Operation, attributes: Mapping[str, Any] | bytes | None = None, **parts: Any
) -> tuple[CommandSet, dict[str, Any]]:
    """The answer to a request, and its attributes."""
    command = request(operation, 3, has_data_set=attributes is not None, **parts)
    data = attributes if isinstance(attributes, bytes) else encode(attributes or {}, EXPLICIT_VR_LITTLE_ENDIAN)
    association.send(1, command, [data])
    answer = association.receive(20)
    assert answer is not None
    found = decode(answer.read(1 << 20), EXPLICIT_VR_LITTLE_ENDIAN) if answer.command.has_data_set else {}
    return answer.command, found


def create(association: Association, attributes: Mapping[str, Any] | bytes | None, uid: str | None = UID) -> CommandSet:
    return send(
        association,
        Operation.N_CREATE,
        attributes,
        affected_sop_class_uid=PROCEDURE_STEP,
        affected_sop_instance_uid=uid,
    )[0]


def change(association: Association, attributes: Mapping[str, Any] | bytes, uid: str = UID) -> CommandSet:
    parts: dict[str, Any] = {"requested_sop_class_uid": PROCEDURE_STEP, "requested_sop_instance_uid": uid}
    return send(association, Operation.N_SET, attributes, **parts)[0]


def retrieve(port: int, *tags: str, uid: str = UID) -> tuple[int | None, dict[str, Any]]:
    parts: dict[str, Any] = {"requested_sop_class_uid": PROCEDURE_STEP_RETRIEVE, "requested_sop_instance_uid": uid}
    with associated(port, PROCEDURE_STEP_RETRIEVE) as association:
        command, found = send(association, Operation.N_GET, attribute_identifiers=tags or None, **parts)
    return command.status, found


def test_a_step_is_created_changed_and_retrieved(port: int) -> None:
    with associated(port, PROCEDURE_STEP) as association:
        answer = create(association, {**begun(), NAME: element("PN", {"Alphabetic": "Müller^Jörg"})})
        assert (answer.status, answer.affected_sop_instance_uid) == (0, UID)
        assert change(association, ended("COMPLETED", "1.2.1.1")).status == 0
        refused = change(association, ended("COMPLETED", "1.2.1.1"))
        assert (refused.status, refused.error_id) == (0x0110, 0xA710)
    status, found = retrieve(port)
    assert (status, found[STATUS]["Value"]) == (0, ["COMPLETED"])
    assert found[NAME]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert retrieve(port, STATUS) == (0, {STATUS: element("CS", "COMPLETED")})
    assert retrieve(port, STATUS, "00101030") == (1, {STATUS: element("CS", "COMPLETED")})
    assert retrieve(port, uid="1.6") == (0x0112, {})


def test_a_step_without_a_uid_is_given_one(port: int) -> None:
    with associated(port, PROCEDURE_STEP) as association:
        answer = create(association, begun(), uid=None)
        uid = answer.affected_sop_instance_uid or ""
        assert (answer.status, is_uid(uid)) == (0, True)
        assert change(association, ended("DISCONTINUED"), uid).status == 0


def test_what_the_standard_does_not_allow_is_refused(port: int) -> None:
    with associated(port, PROCEDURE_STEP) as association:
        assert create(association, begun()).status == 0
        assert create(association, begun()).status == 0x0111
        lacking = create(association, {tag: one for tag, one in begun().items() if tag != STATUS}, "1.6")
        assert (lacking.status, lacking.error_comment) == (0x0120, "(0040,0252)")
        assert create(association, None, "1.6").status == 0x0120
        assert create(association, begun(), "not a uid").status == 0x0117
        assert create(association, b"\x08\0 hostile", "1.6").status == 0x0110
        assert change(association, {STATUS: element("CS", "DONE")}).status == 0x0106
        assert change(association, ended("COMPLETED", "1.2.1.1"), "1.7").status == 0x0112
        assert create(association, begun(), "1.8").status == 0
        assert create(association, begun(), "1.9").status == 0x0213
