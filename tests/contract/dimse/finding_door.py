"""A door on a free port that answers queries, and an association with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from diana_common.dicomjson import DataSetJson
from diana_dimse.core.entities import Directory, LocalEntity
from diana_dimse.core.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT_FIND
from diana_dimse.handlers.door import Door
from diana_dimse.handlers.session import Handler
from diana_dimse.network.association import Association
from diana_dimse.network.commands import CommandSet, Operation, Priority, request
from diana_dimse.network.listener import Limits, Listener
from diana_dimse.network.negotiation import Proposal, ProposedContext
from diana_dimse.network.opening import Remote
from diana_dimse.network.opening import request as request_association
from diana_dimse.wire.datasets import decode, encode

TITLE = "DIANA"
_MESSAGE_ID = 7
LIMITS = Limits(associations=20, negotiation_seconds=10, network_seconds=10, idle_seconds=30)


@contextmanager
def open_door(handlers: Mapping[tuple[Operation, str] | Operation, Handler]) -> Iterator[int]:
    """The port of a door with these handlers."""
    listener = Listener(("127.0.0.1", 0), Door(Directory([LocalEntity(TITLE)], []), handlers, []), LIMITS)
    listener.start()
    try:
        yield listener.address[1]
    finally:
        listener.stop(0.1)


@contextmanager
def associated(
    port: int,
    sop_class: str = STUDY_ROOT_FIND,
    extended: bytes | None = None,
    transfer_syntax: str = EXPLICIT_VR_LITTLE_ENDIAN,
) -> Iterator[Association]:
    """An association for one SOP Class."""
    proposal = Proposal(
        TITLE,
        "TESTER",
        (ProposedContext(1, sop_class, (transfer_syntax,)),),
        extended={} if extended is None else {sop_class: extended},
    )
    association = request_association(Remote("127.0.0.1", port, network_seconds=10), proposal)
    try:
        yield association
        association.release()
    finally:
        association.abort()


@dataclass(frozen=True)
class Answered:
    """What came of a query."""

    status: int
    answers: list[dict[str, Any]]
    pending: set[int]
    """The statuses of the answers."""

    comment: str | None


def find(
    association: Association, identifier: DataSetJson, cancel_after: int | None = None, declared: str = ""
) -> Answered:
    """Query, and take all answers. `declared`: Specific Character Set of an identifier in ASCII, which needs none."""
    context = association.agreed.contexts[1]
    data = encode(identifier, context.transfer_syntax)
    if declared:
        terms = declared.encode().ljust(len(declared) + len(declared) % 2)
        data = b"\x08\x00\x05\x00CS" + len(terms).to_bytes(2, "little") + terms + data
    send_query(association, (data,))
    answers: list[dict[str, Any]] = []
    pending: set[int] = set()
    while True:
        message = association.receive(10)
        if message is None or message.command.status is None:
            raise AssertionError("the association ended, or something else than an answer came")
        if not message.command.has_data_set:
            return Answered(message.command.status, answers, pending, message.command.error_comment)
        pending.add(message.command.status)
        answers.append(decode(message.read(1 << 20), context.transfer_syntax))
        if len(answers) == cancel_after:
            association.send(1, CommandSet(Operation.C_CANCEL, message_id_being_responded_to=_MESSAGE_ID))


def send_query(association: Association, identifier: Iterable[bytes]) -> None:
    """Ask, with whatever bytes."""
    sop_class = association.agreed.contexts[1].abstract_syntax
    asked = request(
        Operation.C_FIND, _MESSAGE_ID, has_data_set=True, affected_sop_class_uid=sop_class, priority=Priority.MEDIUM
    )
    association.send(1, asked, identifier)


def attribute(vr: str, *values: Any) -> dict[str, Any]:
    """An element of DICOM JSON."""
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}
