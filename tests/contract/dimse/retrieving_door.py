"""Asking a door for instances by C-GET and C-MOVE, and a destination that does what a test tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from diana_dimse.core.entities import Directory, LocalEntity
from diana_dimse.core.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from diana_dimse.handlers.door import Door
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import CommandSet, Operation, Priority, request, response
from diana_dimse.network.listener import Listener
from diana_dimse.network.negotiation import Proposal, ProposedContext, Roles
from diana_dimse.network.opening import Remote
from diana_dimse.network.opening import request as request_association
from diana_dimse.wire.datasets import decode, encode
from tests.contract.dimse.finding_door import LIMITS, TITLE, attribute

MESSAGE_ID = 5
_CONTEXT = 1
_FAILED_UIDS = "00080058"
Answering = Callable[[CommandSet, bytes], int]


@dataclass
class Retrieved:
    """What came of a C-GET or C-MOVE."""

    status: int = -1
    comment: str | None = None
    completed: int | None = None
    failed: int | None = None
    warnings: int | None = None
    remaining: int | None = None
    failed_uids: list[str] = field(default_factory=list)
    pending: list[CommandSet] = field(default_factory=list)
    got: dict[str, bytes] = field(default_factory=dict)
    """The data sets that came by C-GET, by SOP Instance UID."""


def study(*uids: str, **others: Sequence[str]) -> dict[str, Any]:
    """An identifier at the STUDY level, or at another."""
    tags = {"level": "00080052", "series": "0020000E", "image": "00080018", "patient": "00100020"}
    return {
        "00080052": attribute("CS", "STUDY"),
        "0020000D": attribute("UI", *uids),
        **{tags[name]: attribute("LO", *values) for name, values in others.items()},
    }


@contextmanager
def getting(
    port: int,
    storage: Mapping[str, Sequence[str]],
    sop_class: str = STUDY_ROOT_GET,
    extended: bytes | None = None,
) -> Iterator[Association]:
    """An association for C-GET, and for the storage of these SOP Classes in these transfer syntaxes."""
    contexts = [ProposedContext(_CONTEXT, sop_class, (EXPLICIT_VR_LITTLE_ENDIAN,))]
    for name, syntaxes in storage.items():
        contexts += [ProposedContext(2 * len(contexts) + 1, name, (one,)) for one in syntaxes]
    roles = dict.fromkeys(storage, Roles(requestor_is_scu=False, requestor_is_scp=True))
    options = {} if extended is None else {sop_class: extended}
    with _opened(port, Proposal(TITLE, "TESTER", tuple(contexts), roles=roles, extended=options)) as association:
        yield association


@contextmanager
def moving(port: int, sop_class: str = STUDY_ROOT_MOVE) -> Iterator[Association]:
    """An association for C-MOVE."""
    context = ProposedContext(_CONTEXT, sop_class, (EXPLICIT_VR_LITTLE_ENDIAN,))
    with _opened(port, Proposal(TITLE, "TESTER", (context,))) as association:
        yield association


@contextmanager
def _opened(port: int, proposal: Proposal) -> Iterator[Association]:
    association = request_association(Remote("127.0.0.1", port, network_seconds=10), proposal)
    try:
        yield association
        association.release()
    finally:
        association.abort()


def get(
    association: Association,
    identifier: Mapping[str, Any],
    answer: Answering = lambda command, data: 0,
    cancel_after: int | None = None,
) -> Retrieved:
    """C-GET; `answer` gives the status for each instance that comes."""
    ask(association, Operation.C_GET, identifier)
    return _retrieved(association, answer, cancel_after)


def move(
    association: Association,
    identifier: Mapping[str, Any],
    destination: str = "DEST",
    on_pending: Callable[[], object] = lambda: None,
) -> Retrieved:
    """C-MOVE."""
    ask(association, Operation.C_MOVE, identifier, destination)
    return _retrieved(association, on_pending=on_pending)


def cancel(association: Association) -> None:
    """C-CANCEL of either."""
    association.send(_CONTEXT, CommandSet(Operation.C_CANCEL, message_id_being_responded_to=MESSAGE_ID))


def ask(
    association: Association, operation: Operation, identifier: Mapping[str, Any], destination: str | None = None
) -> None:
    """Send the request of either."""
    context = association.agreed.contexts[_CONTEXT]
    send_identifier(association, encode(identifier, context.transfer_syntax), operation, destination)


def send_identifier(
    association: Association,
    identifier: bytes,
    operation: Operation = Operation.C_MOVE,
    destination: str | None = "DEST",
) -> None:
    """The same, with whatever bytes."""
    asked = request(
        operation,
        MESSAGE_ID,
        has_data_set=True,
        affected_sop_class_uid=association.agreed.contexts[_CONTEXT].abstract_syntax,
        priority=Priority.MEDIUM,
        move_destination=destination,
    )
    association.send(_CONTEXT, asked, [identifier])


def _retrieved(
    association: Association,
    answer: Answering = lambda command, data: 0,
    cancel_after: int | None = None,
    on_pending: Callable[[], object] = lambda: None,
) -> Retrieved:
    result = Retrieved()
    while result.status < 0:
        message = association.receive(20)
        if message is None:
            raise AssertionError("the association was released")
        command, data = message.command, message.read(1 << 24)
        if command.operation == Operation.C_STORE:
            result.got[command.affected_sop_instance_uid or ""] = data
            if len(result.got) == cancel_after:
                cancel(association)
            association.send(message.context.context_id, response(command, answer(command, data)))
        elif command.status == 0xFF00:
            result.pending.append(command)
            on_pending()
        else:
            _finish(result, command, data, message.context.transfer_syntax)
    return result


def _finish(result: Retrieved, command: CommandSet, data: bytes, syntax: str) -> None:
    result.status, result.comment = command.status or 0, command.error_comment
    result.completed, result.failed = command.completed_suboperations, command.failed_suboperations
    result.warnings, result.remaining = command.warning_suboperations, command.remaining_suboperations
    result.failed_uids = decode(data, syntax)[_FAILED_UIDS]["Value"] if data else []


class Destination:
    """Stores what it is sent, or does what a test puts in place of that."""

    def __init__(self) -> None:
        self.commands: list[CommandSet] = []
        self.calling: set[str] = set()
        self.act: Callable[[Session, CommandSet], int] = lambda session, command: 0

    def serve(self, session: Session, message: Message) -> None:
        """As a handler of C-STORE."""
        message.drain()
        self.commands.append(message.command)
        self.calling.add(session.association.agreed.calling)
        status = self.act(session, message.command)
        session.association.send(message.context.context_id, response(message.command, status))


@contextmanager
def destination_door(destination: Destination) -> Iterator[int]:
    """The port of a door, of AE title DEST, that gives it what comes."""
    door = Door(Directory([LocalEntity("DEST")], []), {Operation.C_STORE: destination}, [])
    listener = Listener(("127.0.0.1", 0), door, LIMITS)
    listener.start()
    try:
        yield listener.address[1]
    finally:
        listener.stop(0.1)
