"""C-STORE as user over an association (PS3.4 Annex B, PS3.7 section 9.1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from diana_common.errors import DianaError, Reason
from diana_dimse.core.sending.contexts import Wish
from diana_dimse.core.sending.selection import StoredInstance
from diana_dimse.core.sending.sender import Answer, LinkEnded
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import Operation, Priority, request
from diana_dimse.network.connection import Piece
from diana_dimse.network.faults import AssociationEnded, ConnectionLost, PeerSilent, ProtocolFault, Rejected
from diana_dimse.network.negotiation import Context, Proposal, ProposedContext
from diana_dimse.network.opening import Remote
from diana_dimse.network.opening import request as request_association

_MOST_ID = 0xFFFF


@dataclass(frozen=True)
class Originator:
    """Who asked, by C-MOVE, for what is sent."""

    title: str
    message_id: int


class StorageUser:
    """The core's `Link` over an association."""

    def __init__(
        self,
        association: Association,
        *,
        is_requestor: bool,
        originator: Originator | None = None,
        asked: int | None = None,
    ) -> None:
        """`asked`: the ID of the C-GET that is being served over this association; it may be cancelled there."""
        self.is_cancelled = False
        self._association, self._asked = association, asked
        self._parts: Mapping[str, object] = {}
        if originator is not None:
            self._parts = {
                "move_originator_title": originator.title,
                "move_originator_message_id": originator.message_id,
            }
        self._message_id = 0
        self._contexts: dict[str, dict[str, Context]] = {}
        for context in association.agreed.contexts.values():
            if context.roles.requestor_is_scu if is_requestor else context.roles.requestor_is_scp:
                self._contexts.setdefault(context.abstract_syntax, {})[context.transfer_syntax] = context

    def syntaxes(self, sop_class_uid: str) -> Sequence[str]:
        """The transfer syntaxes that were accepted for a SOP Class."""
        return list(self._contexts.get(sop_class_uid, ()))

    def store(self, instance: StoredInstance, transfer_syntax: str, data: Iterable[Piece]) -> Answer:
        """Send an instance and wait for the answer."""
        self._message_id = self._message_id % _MOST_ID + 1
        context = self._contexts[instance.sop_class_uid][transfer_syntax]
        command = request(
            Operation.C_STORE,
            self._message_id,
            has_data_set=True,
            affected_sop_class_uid=instance.sop_class_uid,
            affected_sop_instance_uid=instance.sop_instance_uid,
            priority=Priority.MEDIUM,
            **self._parts,
        )
        try:
            self._association.send(context.context_id, command, data)
            return self._answer()
        except DianaError as error:  # in the midst of a message, which cannot be taken back
            self._association.abort()
            raise LinkEnded("the instance could not be read to its end", error.reason) from error
        except AssociationEnded as error:
            raise ended(error) from error

    def close(self) -> None:
        """Release the association, unless it is over. Never raises."""
        with suppress(AssociationEnded):
            self._association.release()

    def _answer(self) -> Answer:
        while (message := self._association.receive()) is not None:
            if self._asked is not None and Association.cancels(message, self._asked):
                self.is_cancelled = True
                continue
            return self._read(message)
        raise ConnectionLost("the association was released where an answer was due")

    def _read(self, message: Message) -> Answer:
        command = message.command
        is_ours = command.is_response and command.operation == Operation.C_STORE
        if not is_ours or command.message_id_being_responded_to != self._message_id or command.status is None:
            self._association.abort()
            raise ProtocolFault("what comes is no answer to our C-STORE")
        return Answer(command.status, command.error_comment or "")


class StorageCaller:
    """Opens associations to send over."""

    def __init__(self, remotes: Mapping[str, Remote]) -> None:
        """`remotes`: where peers are reached, by their names in the configuration."""
        self._remotes = remotes

    def dial(
        self, peer: str, calling: str, called: str, wishes: Sequence[Wish], originator: Originator | None = None
    ) -> StorageUser:
        """An association with a peer. Raises LinkEnded."""
        contexts = tuple(
            ProposedContext(2 * place + 1, one.sop_class_uid, one.transfer_syntaxes) for place, one in enumerate(wishes)
        )
        try:
            association = request_association(self._remotes[peer], Proposal(called, calling, contexts))
        except AssociationEnded as error:
            raise ended(error) from error
        except ValueError as error:  # a UID that is none
            raise LinkEnded("the instances have UIDs that cannot be proposed", Reason.UID_INVALID) from error
        return StorageUser(association, is_requestor=True, originator=originator)


def ended(error: AssociationEnded) -> LinkEnded:
    """How an association ended, as the core has it."""
    reason = Reason.ASSOCIATION_REJECTED if isinstance(error, Rejected) else Reason.AE_UNAVAILABLE
    return LinkEnded(str(error), reason, is_silent=isinstance(error, PeerSilent))
