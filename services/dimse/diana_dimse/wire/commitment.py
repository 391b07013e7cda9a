"""N-EVENT-REPORT of storage commitment, told and heard (PS3.4 section J.3.3): the same over any association."""

from __future__ import annotations

import threading
from collections.abc import Callable

from diana_common.errors import DianaError, Reason
from diana_dimse.core.commitment.model import (
    FAILURES_EVENT,
    PUSH_MODEL_INSTANCE,
    SUCCESSFUL_EVENT,
    Result,
    event_information,
    read_event_information,
)
from diana_dimse.core.sop_classes import STORAGE_COMMITMENT
from diana_dimse.core.statuses import Status
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import Operation, request, response
from diana_dimse.network.negotiation import Context
from diana_dimse.wire.datasets import encode
from diana_dimse.wire.reading import DataSetReader

# Lists of instances take ten times their bytes while they are encoded.
_ENCODING = threading.BoundedSemaphore(2)


def send_event(association: Association, context: Context, result: Result, message_id: int) -> None:
    """Tell a result; the answer is still to be received."""
    command = request(
        Operation.N_EVENT_REPORT,
        message_id,
        has_data_set=True,
        affected_sop_class_uid=STORAGE_COMMITMENT,
        affected_sop_instance_uid=PUSH_MODEL_INSTANCE,
        event_type_id=result.event_type_id,
    )
    with _ENCODING:
        data = encode(event_information(result), context.transfer_syntax)
    association.send(context.context_id, command, [data])


def take_event(
    association: Association, message: Message, reader: DataSetReader, settle: Callable[[Result], bool]
) -> None:
    """Hear a result and answer. `settle`: False for one that nobody waits for."""
    status = _taken(message, reader, settle)
    message.drain()
    association.send(message.context.context_id, response(message.command, status))


def _taken(message: Message, reader: DataSetReader, settle: Callable[[Result], bool]) -> Status:
    command = message.command
    if command.operation != Operation.N_EVENT_REPORT or message.context.abstract_syntax != STORAGE_COMMITMENT:
        return Status.UNRECOGNIZED_OPERATION
    if command.affected_sop_instance_uid != PUSH_MODEL_INSTANCE:
        return Status.NO_SUCH_INSTANCE
    if command.event_type_id not in (SUCCESSFUL_EVENT, FAILURES_EVENT):
        return Status.NO_SUCH_EVENT_TYPE
    try:
        with reader.read(message) as information:
            result = read_event_information(information)
    except DianaError as error:
        return Status.RESOURCE_LIMITATION if error.reason is Reason.OVERLOADED else Status.INVALID_ARGUMENT
    return Status.SUCCESS if settle(result) else Status.PROCESSING_FAILURE
