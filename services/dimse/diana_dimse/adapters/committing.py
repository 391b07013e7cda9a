"""Storage commitment over associations that we open (PS3.4 Annex J): results to requestors, requests to providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters.calling import agreed_context, association, propose, refused
from diana_dimse.core.commitment.model import (
    PUSH_MODEL_INSTANCE,
    REQUEST_ACTION,
    Asked,
    Result,
    action_information,
)
from diana_dimse.core.commitment.provider import Transaction
from diana_dimse.core.entities import Directory
from diana_dimse.core.outbound.peering import Cancelled, Correspondent
from diana_dimse.core.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, STORAGE_COMMITMENT
from diana_dimse.core.statuses import Status, is_success
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import CommandSet, Operation, request
from diana_dimse.network.faults import AssociationEnded
from diana_dimse.network.negotiation import Roles
from diana_dimse.network.opening import Remote
from diana_dimse.wire.commitment import send_event, take_event
from diana_dimse.wire.datasets import encode
from diana_dimse.wire.reading import DataSetReader

_WISHES = [(STORAGE_COMMITMENT, (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN))]
# Who opens an association to report is the provider of the SOP Class (PS3.7 section D.3.3.4).
_AS_PROVIDER = {STORAGE_COMMITMENT: Roles(requestor_is_scu=False, requestor_is_scp=True)}
_SERVICE = "storage commitment"
_LOOK_SECONDS = 0.5


class CommitmentCaller:
    """The core's `Messenger` and `CommitmentProvider` over the network."""

    def __init__(
        self,
        directory: Directory,
        correspondents: Mapping[str, Correspondent],
        remotes: Mapping[str, Remote],
        reader: DataSetReader,
    ) -> None:
        """`correspondents` and `remotes`: on what terms peers are called, and where, by name."""
        self._directory, self._correspondents, self._remotes = directory, correspondents, remotes
        self._reader = reader

    def report(self, transaction: Transaction, result: Result) -> None:
        """See `Messenger`. An acceptor that answers nothing about roles is told all the same: many do not."""
        entity = self._directory.destination(transaction.calling)
        if entity is None:
            raise DianaError(Reason.AE_UNKNOWN, "No peer of the AE title that asked can be called.")
        peer = replace(self._correspondents[entity.name], calling=transaction.called)
        remote = self._remotes[entity.name]
        with association(peer, remote, propose(peer, _WISHES, _AS_PROVIDER)) as opened:
            context = agreed_context(peer, opened, STORAGE_COMMITMENT, _SERVICE)
            send_event(opened, context, result, message_id=1)
            _require_success(peer, opened.receive(remote.network_seconds))

    def request(self, peer: Correspondent, asked: Asked, settle: Callable[[Result], bool], over: Cancelled) -> None:
        """See `CommitmentProvider`."""
        remote = self._remotes.get(peer.name)
        if remote is None:
            raise DianaError(Reason.AE_UNAVAILABLE, f"The configuration does not say where {peer.name} is reached.")
        with association(peer, remote, propose(peer, _WISHES)) as opened:
            context = agreed_context(peer, opened, STORAGE_COMMITMENT, _SERVICE)
            data = encode(action_information(asked), context.transfer_syntax)
            opened.send(context.context_id, _action(), [data])

            def take(message: Message) -> None:
                take_event(opened, message, self._reader, settle)

            _await_answer(peer, opened, remote.network_seconds, take)
            with suppress(AssociationEnded):  # the result may come over another one
                _await_event(opened, take, over)


def _action() -> CommandSet:
    return request(
        Operation.N_ACTION,
        1,
        has_data_set=True,
        requested_sop_class_uid=STORAGE_COMMITMENT,
        requested_sop_instance_uid=PUSH_MODEL_INSTANCE,
        action_type_id=REQUEST_ACTION,
    )


def _require_success(peer: Correspondent, message: Message | None) -> None:
    """Raises DianaError."""
    if message is None:
        raise DianaError(Reason.AE_UNAVAILABLE, f"{peer.name} released the association instead of answering.")
    status = message.command.status
    if not message.command.is_response or status is None or not is_success(status):
        raise refused(peer, status or Status.PROCESSING_FAILURE)


def _await_answer(peer: Correspondent, opened: Association, seconds: float, take: Callable[[Message], None]) -> None:
    """Take the answer to the request; a hasty peer reports before it. Raises DianaError."""
    message = opened.receive(seconds)
    while message is not None and not message.command.is_response:
        take(message)
        message = opened.receive(seconds)
    _require_success(peer, message)


def _await_event(opened: Association, take: Callable[[Message], None], over: Cancelled) -> None:
    while not over():
        if not opened.is_readable(_LOOK_SECONDS):
            continue
        message = opened.receive()
        if message is None:
            return
        if not message.command.is_response:
            take(message)
