"""Storage commitment as those who call us see it (PS3.4 Annex J): requests to us, and results of requests of ours."""

from __future__ import annotations

from diana_common.errors import DianaError, Reason
from diana_dimse.core.commitment.model import PUSH_MODEL_INSTANCE, REQUEST_ACTION, Result, read_action_information
from diana_dimse.core.commitment.provider import Commitments
from diana_dimse.core.commitment.user import Expected
from diana_dimse.core.statuses import Status, is_success
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message
from diana_dimse.network.commands import response
from diana_dimse.network.negotiation import Context
from diana_dimse.wire.commitment import send_event, take_event
from diana_dimse.wire.reading import DataSetReader

_STATUSES = {
    Reason.OVERLOADED: Status.RESOURCE_LIMITATION,
    Reason.DISK_FULL: Status.RESOURCE_LIMITATION,
    Reason.DATA_SET_LIMIT: Status.RESOURCE_LIMITATION,
    Reason.REQUEST_ID_REUSED: Status.PROCESSING_FAILURE,
    Reason.STORE_DAMAGED: Status.PROCESSING_FAILURE,
}


class CommitmentHandler:
    """Serves N-ACTION: the request is kept and answered, its result follows."""

    def __init__(self, commitments: Commitments, reader: DataSetReader) -> None:
        self._commitments, self._reader = commitments, reader

    def serve(self, session: Session, message: Message) -> None:
        """Take one request."""
        status, comment = _checked(message), None
        number = None
        if status is Status.SUCCESS:
            try:
                number = self._accepted(session, message)
            except DianaError as error:
                status, comment = _STATUSES.get(error.reason, Status.INVALID_ARGUMENT), error.reason.name
        if number is not None:
            session.errands.append(_Report(session, message.context, self._commitments, number))
        message.drain()
        answer = response(message.command, status, error_comment=comment)
        session.association.send(message.context.context_id, answer)

    def _accepted(self, session: Session, message: Message) -> int:
        with self._reader.read(message) as information:
            asked = read_action_information(information)
        entity = session.admission.entity
        return self._commitments.accept(entity.store, entity.title, session.association.agreed.calling, asked)


def _checked(message: Message) -> Status:
    command = message.command
    if not message.context.roles.requestor_is_scu:
        return Status.NOT_AUTHORIZED
    if command.requested_sop_instance_uid != PUSH_MODEL_INSTANCE:
        return Status.NO_SUCH_INSTANCE
    return Status.SUCCESS if command.action_type_id == REQUEST_ACTION else Status.NO_SUCH_ACTION


class _Report:
    """An `Errand`: the requestor hears the result over the association that it asked on, if it stays."""

    def __init__(self, session: Session, context: Context, commitments: Commitments, number: int) -> None:
        self._session, self._context = session, context
        self._commitments, self._number = commitments, number

    def attempt(self) -> bool:
        """See `Errand`."""
        try:
            result = self._commitments.result(self._number)
        except DianaError:  # the archive does not answer now: it is asked again, later and later
            self.drop()
            return True
        if result is None:
            return False
        self._send(result)
        return True

    def drop(self) -> None:
        """See `Errand`."""
        self._commitments.let_go(self._number)

    def _send(self, result: Result) -> None:
        message_id = self._session.await_answer(self._answered)
        send_event(self._session.association, self._context, result, message_id)

    def _answered(self, status: int | None) -> None:
        if status is None or not is_success(status):
            self.drop()
            return
        try:
            self._commitments.reported(self._number)
        except DianaError:  # it cannot be noted: better told twice than forgotten
            self.drop()


class CommitmentResultHandler:
    """Serves N-EVENT-REPORT: what a peer says to a request of ours."""

    def __init__(self, expected: Expected, reader: DataSetReader) -> None:
        self._expected, self._reader = expected, reader

    def serve(self, session: Session, message: Message) -> None:
        """Take one result."""
        take_event(session.association, message, self._reader, self._expected.settle)
