"""Modality Performed Procedure Step as provider, and its retrieval (PS3.4 sections F.7, F.8)."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace

from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError, Reason
from diana_common.uid import is_uid
from diana_dimse.core.statuses import Status
from diana_dimse.core.steps.keeping import ProcedureSteps
from diana_dimse.core.steps.model import StepRefused
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message
from diana_dimse.network.commands import CommandSet, response
from diana_dimse.wire.datasets import encode
from diana_dimse.wire.reading import DataSetReader

# More modalities know it than know UTF-8, which is for what it lacks.
_CHARACTER_SET = "ISO_IR 100"
# A step with many instances takes its share of memory.
_MOST_AT_A_TIME = 4
_RESOURCES = frozenset({Reason.OVERLOADED, Reason.DISK_FULL, Reason.DATA_SET_LIMIT})


class CreateStepHandler:
    """Serves N-CREATE: a procedure step begins. One without a UID is given one."""

    def __init__(self, steps: ProcedureSteps, reader: DataSetReader) -> None:
        self._steps, self._reader = steps, reader

    def serve(self, session: Session, message: Message) -> None:
        """Keep a new one, and answer once it is durable."""
        store, source = _names(session)
        uid = message.command.affected_sop_instance_uid or f"2.25.{uuid.uuid4().int}"
        _answer(session, message, self._reader, uid, lambda given: self._steps.create(store, uid, source, given))


class ChangeStepHandler:
    """Serves N-SET: a procedure step goes on, is completed or discontinued."""

    def __init__(self, steps: ProcedureSteps, reader: DataSetReader) -> None:
        self._steps, self._reader = steps, reader

    def serve(self, session: Session, message: Message) -> None:
        """Change one, and answer once that is durable."""
        store, source = _names(session)
        uid = message.command.requested_sop_instance_uid or ""
        _answer(session, message, self._reader, uid, lambda given: self._steps.change(store, uid, source, given))


class RetrieveStepHandler:
    """Serves N-GET: a procedure step as it stands."""

    def __init__(self, steps: ProcedureSteps) -> None:
        self._steps = steps
        self._places = threading.BoundedSemaphore(_MOST_AT_A_TIME)

    def serve(self, session: Session, message: Message) -> None:
        """Answer with the attributes asked for, or all of them."""
        message.drain()
        with self._places:
            self._serve(session, message)

    def _serve(self, session: Session, message: Message) -> None:
        command, context = message.command, message.context
        try:
            step = self._steps.get(_names(session)[0], command.requested_sop_instance_uid or "")
        except StepRefused as refused:
            session.association.send(context.context_id, _refusal(command, refused))
            return
        tags = command.attribute_identifiers or tuple(step.attributes)
        found = {tag: step.attributes[tag] for tag in tags if tag in step.attributes}
        lacks = len(found) < len(set(tags))
        status = Status.OPTIONAL_ATTRIBUTES_UNSUPPORTED if lacks else Status.SUCCESS
        data = encode(found, context.transfer_syntax, _CHARACTER_SET)
        session.association.send(context.context_id, response(command, status, has_data_set=True), [data])


def _answer(
    session: Session, message: Message, reader: DataSetReader, uid: str, do: Callable[[DataSetJson], None]
) -> None:
    """Have something done with the attributes that came, and say how it went."""
    answer = replace(response(message.command, Status.SUCCESS), affected_sop_instance_uid=uid)
    try:
        if not is_uid(uid):
            raise StepRefused(Status.INVALID_INSTANCE, "the SOP Instance UID is none")
        with reader.read(message) as given:
            do(given)
    except StepRefused as refused:
        answer = _refusal(message.command, refused)
    except DianaError as error:
        status = Status.RESOURCE_LIMITATION if error.reason in _RESOURCES else Status.PROCESSING_FAILURE
        answer = response(message.command, status, error_comment=error.reason.name)
    message.drain()
    session.association.send(message.context.context_id, answer)


def _refusal(command: CommandSet, refused: StepRefused) -> CommandSet:
    return response(command, refused.status, error_comment=str(refused), error_id=refused.error_id)


def _names(session: Session) -> tuple[str, str]:
    """The store, and who reports."""
    return session.admission.entity.store, session.association.agreed.calling
