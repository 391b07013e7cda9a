"""Lets associations in and gives each message to the handler of its operation."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from diana_common.errors import DianaError
from diana_dimse.core.entities import Admission, Directory, Refusal
from diana_dimse.core.statuses import Status, general_status
from diana_dimse.handlers.offer import Offer
from diana_dimse.handlers.session import Handler, Session, Watcher
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import Operation, response
from diana_dimse.network.faults import AssociationEnded
from diana_dimse.network.listener import Caller
from diana_dimse.network.negotiation import Proposal
from diana_dimse.network.pdus import Rejection

_REJECTIONS = {
    Refusal.CALLED_TITLE_UNKNOWN: Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED,
    Refusal.CALLER_UNKNOWN: Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED,
}


class Door:
    """The network's `Door`. `handlers` by the SOP Class of the context, or by the operation alone."""

    def __init__(
        self,
        directory: Directory,
        handlers: Mapping[tuple[Operation, str] | Operation, Handler],
        watchers: Sequence[Watcher],
    ) -> None:
        self._directory, self._handlers, self._watchers = directory, handlers, watchers
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    @property
    def sessions(self) -> Sequence[Session]:
        """The associations that are open now, the oldest first."""
        with self._lock:
            return list(self._sessions.values())

    def admit(self, proposal: Proposal, caller: Caller) -> Offer | Rejection:
        """Whether to take a requestor in, and what to offer it."""
        admission = self._admission(proposal.called, proposal.calling, caller)
        return _REJECTIONS[admission] if isinstance(admission, Refusal) else Offer(admission)

    def serve(self, association: Association, caller: Caller) -> None:
        """Serve an association to its end."""
        agreed = association.agreed
        admission = self._admission(agreed.called, agreed.calling, caller)
        if isinstance(admission, Refusal):  # it cannot be: what admits does not change
            association.abort()
            return
        session = Session(association, admission, caller)
        with self._lock:
            self._sessions[session.id] = session
        released = False
        try:
            while (message := session.receive()) is not None:
                self._dispatch(session, message)
            released = True
        finally:
            with self._lock:
                del self._sessions[session.id]
            session.end()
            for watcher in self._watchers:
                watcher.ended(session, released)

    def _admission(self, called: str, calling: str, caller: Caller) -> Admission | Refusal:
        return self._directory.admit(called, calling, caller.address, caller.certificate_names)

    def _dispatch(self, session: Session, message: Message) -> None:
        command = message.command
        if command.is_response:
            session.answered(message)
            return
        if command.operation == Operation.C_CANCEL:
            return  # it came too late
        handler = None
        if command.operation in Operation.__members__.values():
            operation = Operation(command.operation)
            handler = self._handlers.get((operation, message.context.abstract_syntax), self._handlers.get(operation))
        status = Status.UNRECOGNIZED_OPERATION
        try:
            if handler is not None:
                handler.serve(session, message)
                return
        except AssociationEnded:
            raise
        except DianaError as error:
            status = general_status(error)
        message.drain()
        session.association.send(message.context.context_id, response(command, status))
