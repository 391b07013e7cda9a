"""C-ECHO as provider (PS3.4 Annex A)."""

from __future__ import annotations

from diana_dimse.core.statuses import Status
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message
from diana_dimse.network.commands import response


class EchoHandler:
    """Serves C-ECHO requests."""

    def serve(self, session: Session, message: Message) -> None:
        """Answer."""
        session.association.send(message.context.context_id, response(message.command, Status.SUCCESS))
