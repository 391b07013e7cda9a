"""C-FIND as provider (PS3.4 section C.4.1), whatever the information model: an identifier in, answers out."""

from __future__ import annotations

from collections.abc import Callable

from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError
from diana_dimse.core.queries.finding import Answers
from diana_dimse.core.queries.identifiers import IdentifierMismatch, declared_character_set
from diana_dimse.core.statuses import Status, find_status
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message
from diana_dimse.network.commands import response
from diana_dimse.network.faults import ProtocolFault
from diana_dimse.wire.datasets import MOST_BYTES, UTF_8, decode, encode

Ask = Callable[[DataSetJson], Answers]
"""Answers an identifier. Raises IdentifierMismatch, DianaError."""


def serve_query(session: Session, message: Message, ask: Ask, most_answers: int = 0) -> None:
    """Read the identifier, send an answer at a time, then how it ended.

    Answers are in the character set that the identifier declares where it has all their characters, else in UTF-8.
    Where there are more than `most_answers` (0: no limit) so many are sent, and then A700.
    """
    command, context = message.command, message.context
    if not command.has_data_set:
        raise ProtocolFault("a C-FIND comes without an identifier")
    status, comment = Status.SUCCESS, None
    try:
        identifier = decode(message.read(MOST_BYTES), context.transfer_syntax)
        status = _send_answers(session, message, ask(identifier), declared_character_set(identifier), most_answers)
        if status is Status.OUT_OF_RESOURCES:
            comment = f"there are more than {most_answers} matches"
    except IdentifierMismatch as mismatch:
        status, comment = Status.DATA_SET_DOES_NOT_MATCH, str(mismatch)
    except DianaError as error:
        status, comment = find_status(error), error.reason.name
    session.association.send(context.context_id, response(command, status, error_comment=comment))


def _send_answers(
    session: Session, message: Message, answers: Answers, character_set: str, most_answers: int
) -> Status:
    association, context = session.association, message.context
    status = Status.PENDING_WITH_UNSUPPORTED_KEYS if answers.has_unsupported_keys else Status.PENDING
    pending = response(message.command, status, has_data_set=True)
    cancelled_id = message.command.message_id or 0
    for number, data_set in enumerate(answers.data_sets):
        if association.is_cancelled(cancelled_id):
            return Status.CANCELLED
        if most_answers and number == most_answers:
            return Status.OUT_OF_RESOURCES
        data = encode(data_set, context.transfer_syntax, character_set or UTF_8)
        association.send(context.context_id, pending, (data,))
    return Status.SUCCESS
