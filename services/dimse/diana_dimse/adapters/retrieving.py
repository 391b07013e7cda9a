"""C-MOVE and C-GET as user (PS3.4 sections C.4.2, C.4.3), of whole studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing

from diana_common.dicomjson import texts
from diana_common.errors import DianaError
from diana_common.uid import is_uid
from diana_dimse.adapters.calling import Exchange, agreed_context, association, propose, refused
from diana_dimse.core.intake.receiving import Origin, Receiving
from diana_dimse.core.intake.taking import Named, take_in
from diana_dimse.core.outbound.asking import Found, study_identifier
from diana_dimse.core.outbound.getting import storage_wishes
from diana_dimse.core.outbound.peering import Cancelled, Correspondent, Outcome
from diana_dimse.core.sop_classes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from diana_dimse.core.statuses import Status, store_status
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import CommandSet, Operation, Priority, request, response
from diana_dimse.network.negotiation import Roles
from diana_dimse.network.opening import Remote
from diana_dimse.wire.datasets import MOST_BYTES, decode, encode

_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
_FAILED_UIDS = "00080058"
_WARNINGS = 0xB000
_RECEIVES = Roles(requestor_is_scu=False, requestor_is_scp=True)


def move_study(
    peer: Correspondent,
    remote: Remote,
    study_uid: str,
    destination: str,
    cancelled: Cancelled,
    last_sign: Callable[[], float],
) -> Outcome:
    """Have a study sent to an AE title. `last_sign`: when an instance of the peer's last came. See `Pacs.move`."""
    with association(peer, remote, propose(peer, [(STUDY_ROOT_MOVE, _SYNTAXES)])) as opened:
        context = agreed_context(peer, opened, STUDY_ROOT_MOVE, "C-MOVE")
        asked = _request(Operation.C_MOVE, STUDY_ROOT_MOVE, move_destination=destination)
        identifier = encode(study_identifier(study_uid), context.transfer_syntax)
        tally = _Tally(peer)
        exchange = Exchange(opened, context, asked, remote.network_seconds, last_sign)
        with closing(exchange.responses(cancelled, identifier)) as messages:
            for message in messages:
                tally.add(message)
    return tally.outcome()


def get_study(
    peer: Correspondent,
    remote: Remote,
    study: Found,
    receiving: Receiving,
    store: str,
    watch: Callable[[], None],
    cancelled: Cancelled,
) -> Outcome:
    """Have a study sent over the association that asks for it. See `Pacs.get`."""
    wishes = storage_wishes(study.sop_classes)
    roles = {sop_class: _RECEIVES for sop_class, _ in wishes}
    with association(peer, remote, propose(peer, [(STUDY_ROOT_GET, _SYNTAXES), *wishes], roles)) as opened:
        context = agreed_context(peer, opened, STUDY_ROOT_GET, "C-GET")
        identifier = encode(study_identifier(study.study_uid), context.transfer_syntax)
        tally, origin = _Tally(peer), Origin(store, peer.entity.title)
        exchange = Exchange(opened, context, _request(Operation.C_GET, STUDY_ROOT_GET), remote.network_seconds)
        with closing(exchange.responses(cancelled, identifier)) as messages:
            for message in messages:
                if message.command.is_response:
                    tally.add(message)
                else:
                    watch()
                    _store(opened, message, receiving, origin)
    return tally.outcome()


def _request(operation: Operation, sop_class: str, **parts: str) -> CommandSet:
    return request(operation, 1, has_data_set=True, affected_sop_class_uid=sop_class, priority=Priority.MEDIUM, **parts)


def _store(opened: Association, message: Message, receiving: Receiving, origin: Origin) -> None:
    """Take one instance in and answer once it is durable, as a C-STORE's provider does."""
    command, context = message.command, message.context
    status, comment = _checked(message), None
    if status is Status.SUCCESS:
        named = Named(context.abstract_syntax, command.affected_sop_instance_uid or "", context.transfer_syntax)
        try:
            take_in(receiving, origin, named, message)
        except DianaError as error:
            status, comment = store_status(error), error.reason.name
    message.drain()
    opened.send(context.context_id, response(command, status, error_comment=comment))


def _checked(message: Message) -> Status:
    command = message.command
    if command.operation != Operation.C_STORE or not command.has_data_set:
        return Status.UNRECOGNIZED_OPERATION
    if command.affected_sop_class_uid != message.context.abstract_syntax:
        return Status.SOP_CLASS_NOT_SUPPORTED
    return Status.SUCCESS if is_uid(command.affected_sop_instance_uid or "") else Status.INVALID_INSTANCE


class _Tally:
    """Sums up the responses to a retrieval: a count that a response lacks stays as it was."""

    def __init__(self, peer: Correspondent) -> None:
        self._peer = peer
        self._counts: Mapping[str, int] = {}
        self._status = int(Status.PENDING)
        self._failed_uids: tuple[str, ...] = ()

    def add(self, message: Message) -> None:
        """Take a response in."""
        command = message.command
        told = {
            "completed": command.completed_suboperations,
            "failed": command.failed_suboperations,
            "warning": command.warning_suboperations,
        }
        self._counts = {**self._counts, **{name: count for name, count in told.items() if count is not None}}
        self._status = command.status or Status.SUCCESS
        if command.has_data_set and self._status != Status.PENDING:
            try:
                found = decode(message.read(MOST_BYTES), message.context.transfer_syntax)
            except DianaError:  # the counts say enough
                return
            self._failed_uids = tuple(one for one in texts(found, _FAILED_UIDS) if is_uid(one))

    def outcome(self) -> Outcome:
        """What it came to. Raises DianaError PEER_REFUSED."""
        cancelled = self._status == Status.CANCELLED
        if not cancelled and self._status != Status.SUCCESS and self._status & 0xF000 != _WARNINGS:
            raise refused(self._peer, self._status)
        return Outcome(**self._counts, failed_uids=self._failed_uids, is_cancelled=cancelled)
