"""C-GET as provider (PS3.4 section C.4.3): instances go back over the association that asks for them."""

from __future__ import annotations

from contextlib import closing

from diana_dimse.core.sending.selection import Selecting
from diana_dimse.core.sending.sender import LinkEnded, Sender
from diana_dimse.handlers.retrieval import Retrieval
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message
from diana_dimse.network.faults import ConnectionLost
from diana_dimse.network.storing import StorageUser


class GetHandler:
    """Serves C-GET requests, of all associations."""

    def __init__(self, selecting: Selecting, sender: Sender) -> None:
        self._selecting, self._sender = selecting, sender

    def serve(self, session: Session, message: Message) -> None:
        """Send what is selected, and answer meanwhile and in the end. Raises AssociationEnded."""
        retrieval = Retrieval(session, message)
        instances = retrieval.instances(message, self._selecting)
        if instances is None:
            return
        link = StorageUser(session.association, is_requestor=False, asked=retrieval.message_id)
        try:
            with closing(self._sender.send_over(session.admission.entity.store, instances, link)) as results:
                for sent in results:
                    retrieval.add(sent)
                    if link.is_cancelled or session.association.is_cancelled(retrieval.message_id):
                        link.is_cancelled = True
                        break
        except LinkEnded as ended:
            raise ConnectionLost(str(ended)) from ended
        retrieval.finish(is_cancelled=link.is_cancelled)
