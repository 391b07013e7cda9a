"""C-STORE as provider (PS3.4 Annex B): the data set goes to the archive as it comes, and its answer comes back."""

from __future__ import annotations

from diana_common.errors import DianaError
from diana_common.uid import is_uid
from diana_dimse.core.entities import Service
from diana_dimse.core.intake.receiving import Kept, Origin, Receiving
from diana_dimse.core.intake.taking import Named, take_in
from diana_dimse.core.statuses import Status, store_status
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message
from diana_dimse.network.commands import response
from diana_dimse.network.faults import ProtocolFault


class StoreHandler:
    """Serves C-STORE requests, of all associations."""

    def __init__(self, receiving: Receiving) -> None:
        self._receiving = receiving

    def serve(self, session: Session, message: Message) -> None:
        """Take one instance in and answer once it is durable."""
        command = message.command
        if not command.has_data_set:
            raise ProtocolFault("a C-STORE comes without a data set")
        status, comment = _checked(session, message), None
        if status is Status.SUCCESS:
            try:
                session.received[self._received(session, message).study_uid] += 1
            except DianaError as error:
                status, comment = store_status(error), error.reason.name
                message.drain()
        answer = response(command, status, error_comment=comment)
        session.association.send(message.context.context_id, answer)

    def _received(self, session: Session, message: Message) -> Kept:
        origin = Origin(session.admission.entity.store, session.association.agreed.calling)
        context, uid = message.context, message.command.affected_sop_instance_uid or ""
        return take_in(self._receiving, origin, Named(context.abstract_syntax, uid, context.transfer_syntax), message)


def _checked(session: Session, message: Message) -> Status:
    """Whether this instance may be sent at all; SUCCESS if so."""
    command = message.command
    if Service.STORE not in session.admission.services or not message.context.roles.requestor_is_scu:
        return Status.NOT_AUTHORIZED
    if command.affected_sop_class_uid != message.context.abstract_syntax:
        return Status.SOP_CLASS_NOT_SUPPORTED
    if not is_uid(command.affected_sop_instance_uid or ""):
        return Status.INVALID_INSTANCE
    return Status.SUCCESS
