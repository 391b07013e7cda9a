"""C-MOVE as provider (PS3.4 section C.4.2): instances go to a third Application Entity, each is waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

from diana_dimse.core.entities import Directory, PeerEntity
from diana_dimse.core.outbound.peering import Correspondent
from diana_dimse.core.sending.ahead import Ahead
from diana_dimse.core.sending.contexts import Wish
from diana_dimse.core.sending.selection import Selecting, StoredInstance
from diana_dimse.core.sending.sender import Sender
from diana_dimse.core.statuses import Status
from diana_dimse.handlers.retrieval import Retrieval
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message
from diana_dimse.network.storing import Originator, StorageCaller, StorageUser

_TICK_SECONDS = 0.5
_RESULTS_AHEAD = 64


class MoveHandler:
    """Serves C-MOVE requests, of all associations."""

    def __init__(
        self,
        selecting: Selecting,
        sender: Sender,
        caller: StorageCaller,
        directory: Directory,
        correspondents: Mapping[str, Correspondent],
    ) -> None:
        self._selecting, self._sender, self._caller = selecting, sender, caller
        self._directory, self._correspondents = directory, correspondents

    def serve(self, session: Session, message: Message) -> None:
        """Send what is selected to the destination, and answer meanwhile and in the end."""
        retrieval = Retrieval(session, message)
        destination = self._directory.destination(message.command.move_destination or "")
        if destination is None:
            message.drain()
            retrieval.refuse(Status.MOVE_DESTINATION_UNKNOWN, "no peer of this AE title can be called")
            return
        instances = retrieval.instances(message, self._selecting)
        if instances is not None:
            retrieval.finish(is_cancelled=self._move(retrieval, instances, destination))

    def _move(self, retrieval: Retrieval, instances: Sequence[StoredInstance], destination: PeerEntity) -> bool:
        """Whether it was cancelled. Sending has its own thread, so that a destination that hangs hides no cancel."""
        session = retrieval.session
        originator = Originator(session.association.agreed.calling, retrieval.message_id)
        calling = self._correspondents[destination.name].calling

        def dial(wishes: Sequence[Wish]) -> StorageUser:
            return self._caller.dial(destination.name, calling, destination.title, wishes, originator)

        is_cancelled = False
        sending = self._sender.send_all(session.admission.entity.store, instances, dial)
        with closing(Ahead(sending, _RESULTS_AHEAD, "c-move")) as results:
            for sent in results.ticking(_TICK_SECONDS):
                retrieval.add(sent)
                if is_cancelled and sent is None:  # the destination hangs; what is under way counts as remaining
                    break
                if not is_cancelled and session.association.is_cancelled(retrieval.message_id):
                    is_cancelled = True
                    results.stop()
        return is_cancelled
