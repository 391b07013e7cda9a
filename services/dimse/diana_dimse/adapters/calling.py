"""Associations that we ask a peer for, as its user: opened, typed when they break, and closed in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from diana_common.errors import DianaError, Reason
from diana_dimse.core.outbound.peering import Correspondent
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import CommandSet, Operation
from diana_dimse.network.faults import AssociationEnded, PeerSilent, ProtocolFault, Rejected
from diana_dimse.network.negotiation import Context, Proposal, ProposedContext, Roles
from diana_dimse.network.opening import Remote
from diana_dimse.network.opening import request as request_association

_LOOK_SECONDS = 0.5
_CANCEL_SECONDS = 10.0
_TRANSIENT = 2  # A-ASSOCIATE-RJ result (PS3.8 Table 9-21)

Wish = tuple[str, Sequence[str]]
"""A SOP Class and the transfer syntaxes to propose for it."""


def propose(
    peer: Correspondent,
    wishes: Sequence[Wish],
    roles: Mapping[str, Roles] | None = None,
    extended: Mapping[str, bytes] | None = None,
) -> Proposal:
    """An association with presentation contexts in this order, at most 128."""
    contexts = tuple(
        ProposedContext(2 * place + 1, one, tuple(syntaxes)) for place, (one, syntaxes) in enumerate(wishes)
    )
    return Proposal(peer.entity.title, peer.calling, contexts, roles=roles or {}, extended=extended or {})


@contextmanager
def association(peer: Correspondent, remote: Remote, proposal: Proposal) -> Iterator[Association]:
    """An association with a peer, released in the end, aborted where the block raises.

    Raises DianaError AE_UNAVAILABLE, ASSOCIATION_REJECTED.
    """
    with typed(peer):
        try:
            opened = request_association(remote, proposal)
        except ValueError:  # a title or a UID that fits in no PDU
            raise DianaError(Reason.ASSOCIATION_REJECTED, f"{peer.name} cannot be asked by these titles.") from None
        try:
            yield opened
        except GeneratorExit:  # whoever wanted more answers does not any more, and all was passed over
            _release(opened)
            raise
        except BaseException:
            opened.abort()
            raise
        _release(opened)


@contextmanager
def typed(peer: Correspondent) -> Iterator[None]:
    """Turn the network's faults into the core's errors."""
    try:
        yield
    except Rejected as rejected:
        metadata = {"result": str(rejected.result), "source": str(rejected.source), "reason": str(rejected.reason)}
        if rejected.result == _TRANSIENT:
            raise DianaError(
                Reason.AE_UNAVAILABLE, f"{peer.name} takes no association now.", metadata=metadata
            ) from None
        message = f"{peer.name} rejects the association ({rejected})."
        raise DianaError(Reason.ASSOCIATION_REJECTED, message, metadata=metadata) from None
    except AssociationEnded as ended:
        raise DianaError(Reason.AE_UNAVAILABLE, f"{peer.name}: {ended}.") from None


def _release(opened: Association) -> None:
    with suppress(AssociationEnded):  # all was said
        opened.release()


def agreed_context(peer: Correspondent, opened: Association, sop_class: str, name: str) -> Context:
    """The context of a SOP Class. Raises DianaError ASSOCIATION_REJECTED where the peer does not offer it."""
    context = opened.agreed.context_for(sop_class)
    if context is None:
        raise DianaError(Reason.ASSOCIATION_REJECTED, f"{peer.name} does not offer us {name}.")
    return context


def refused(peer: Correspondent, status: int) -> DianaError:
    """The error for a response's failure."""
    return DianaError(
        Reason.PEER_REFUSED,
        f"{peer.name} answered with status {status:04X}.",
        metadata={"status": f"{status:04X}", "peer": peer.name},
    )


class Exchange:
    """A request of ours that is answered with several responses, and can be cancelled (PS3.7 section 9.3)."""

    def __init__(
        self,
        opened: Association,
        context: Context,
        asked: CommandSet,
        seconds: float,
        last_sign: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`seconds`: how long the peer may take over each message, since its last sign of life elsewhere."""
        self._association, self._context, self._asked, self._seconds = opened, context, asked, seconds
        self._last_sign = last_sign

    def responses(self, cancelled: Callable[[], bool], identifier: bytes) -> Generator[Message, None, None]:
        """Send the request, and give every message that comes until the final response, that included.

        Where `cancelled` turns true, or the iterator is given up, the operation is cancelled.
        """
        self._association.send(self._context.context_id, self._asked, [identifier])
        stops_by, is_over = None, False
        try:
            while not is_over:
                if stops_by is None and self._waited(cancelled):
                    stops_by = self._cancel()
                message = self._received(stops_by)
                is_over = self._ends(message)
                yield message
        except GeneratorExit:
            if not is_over:
                self._give_up()
            raise

    def _received(self, stops_by: float | None) -> Message:
        """The next message. Raises PeerSilent where the peer does not stop in time, or sends nothing."""
        seconds = self._seconds if stops_by is None else stops_by - time.monotonic()
        if seconds <= 0:
            raise PeerSilent("the peer does not stop what was cancelled")
        message = self._association.receive(seconds)
        if message is None:
            raise ProtocolFault("the peer releases our association")
        return message

    def _waited(self, cancelled: Callable[[], bool]) -> bool:
        """Wait for something to come; whether to stop instead. Raises PeerSilent."""
        begin = time.monotonic()
        while not cancelled():
            if self._association.is_readable(min(_LOOK_SECONDS, self._seconds)):
                return False
            if time.monotonic() - max(begin, self._last_sign()) >= self._seconds:
                raise PeerSilent("the peer sends nothing any more")
        return True

    def _ends(self, message: Message) -> bool:
        """Whether a message is the final response. Raises ProtocolFault for an answer to something else."""
        command = message.command
        if not command.is_response and self._asked.operation == Operation.C_GET:
            return False
        is_ours = command.is_response and command.message_id_being_responded_to == self._asked.message_id
        if not is_ours or command.status is None:
            raise ProtocolFault("the peer answers what nobody asked")
        return command.status & 0xFF00 != 0xFF00  # pending

    def _cancel(self) -> float:
        """When the operation has to have ended, by the monotonic clock."""
        cancel = CommandSet(Operation.C_CANCEL, message_id_being_responded_to=self._asked.message_id)
        self._association.send(self._context.context_id, cancel)
        return time.monotonic() + _CANCEL_SECONDS

    def _give_up(self) -> None:
        """Cancel, and pass over what still comes."""
        with suppress(AssociationEnded):
            stops_by = self._cancel()
            while not self._ends(self._received(stops_by)):
                pass
