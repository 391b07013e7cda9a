"""What C-MOVE and C-GET have in common as provider (PS3.4 sections C.4.2, C.4.3): identifier in, counts out."""

from __future__ import annotations

import time
from dataclasses import replace

from diana_common.errors import DianaError
from diana_dimse.core.sending.selection import IdentifierFault, Selecting, Selection, StoredInstance, read_selection
from diana_dimse.core.sending.sender import Sent
from diana_dimse.core.sending.suboperations import SubOperations
from diana_dimse.core.sop_classes import PATIENT_ROOT_GET, PATIENT_ROOT_MOVE
from diana_dimse.core.statuses import Status
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message
from diana_dimse.network.commands import CommandSet, response
from diana_dimse.wire.datasets import MOST_BYTES, decode, encode

_PENDING_SECONDS = 0.5
_FAILED_UIDS = "00080058"
_PATIENT_ROOT = frozenset({PATIENT_ROOT_MOVE, PATIENT_ROOT_GET})


class Retrieval:
    """One request while it is served."""

    def __init__(self, session: Session, message: Message) -> None:
        self.session, self.command, self._context = session, message.command, message.context
        self.message_id = message.command.message_id or 0
        self._operations = SubOperations(0)
        self._answered = time.monotonic()

    def instances(self, message: Message, selecting: Selecting) -> list[StoredInstance] | None:
        """What the request asks for; None where that cannot be told, which it is answered with then."""
        identifier = message.read(MOST_BYTES)
        abstract = self._context.abstract_syntax
        relational = self.session.association.agreed.extended.get(abstract, b"")[:1] == b"\1"
        try:
            keys = decode(identifier, self._context.transfer_syntax)
            selection = read_selection(keys, is_patient_root=abstract in _PATIENT_ROOT, is_relational=relational)
        except IdentifierFault as fault:
            self.refuse(Status.DATA_SET_DOES_NOT_MATCH, str(fault))
        except DianaError as error:
            self.refuse(Status.CANNOT_UNDERSTAND, error.reason.name)
        else:
            return self._selected(selecting, selection)
        return None

    def _selected(self, selecting: Selecting, selection: Selection) -> list[StoredInstance] | None:
        try:
            found = selecting.instances(self.session.admission.entity.store, selection)
        except DianaError as error:
            self.refuse(Status.OUT_OF_RESOURCES_MATCHES, error.reason.name)
            return None
        self._operations = SubOperations(len(found))
        return found

    def refuse(self, status: Status, comment: str) -> None:
        """Answer that nothing is done."""
        self._send(response(self.command, status, error_comment=comment))

    def add(self, sent: Sent | None) -> None:
        """One sub-operation is done, or time went by; the requestor hears of it now and then."""
        if sent is not None:
            self._operations.add(sent)
        now = time.monotonic()
        if now - self._answered >= _PENDING_SECONDS:
            self._answered = now
            self._send(replace(response(self.command, Status.PENDING), **self._operations.fields(Status.PENDING)))

    def finish(self, *, is_cancelled: bool) -> None:
        """Answer for the last time."""
        operations = self._operations
        status = operations.status(is_cancelled=is_cancelled)
        has_failed = bool(operations.failed_uids)
        answer = response(self.command, status, has_data_set=has_failed, error_comment=operations.why or None)
        data = b""
        if has_failed:
            failed = {_FAILED_UIDS: {"vr": "UI", "Value": operations.failed_uids}}
            data = encode(failed, self._context.transfer_syntax)
        self._send(replace(answer, **operations.fields(status)), data)

    def _send(self, answer: CommandSet, data: bytes = b"") -> None:
        self.session.association.send(self._context.context_id, answer, [data])
