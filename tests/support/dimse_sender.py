"""A sender that gives a data set over a DICOM association byte for byte as its file has it."""

from __future__ import annotations

import io
import ssl
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from pydicom import dcmread

from diana_dimse.network.association import Association
from diana_dimse.network.commands import Operation
from diana_dimse.network.commands import request as command_of
from diana_dimse.network.negotiation import Context, Proposal, ProposedContext
from diana_dimse.network.opening import Remote, request

SECONDS = 60.0
SUCCESS = 0x0000


@dataclass(frozen=True)
class Object:
    """A Part 10 file, taken apart."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    data_set: bytes

    @classmethod
    def of(cls, file: bytes) -> Object:
        """Raises InvalidDicomError for what is no Part 10 file, and AttributeError where one of its UIDs is missing."""
        found = dcmread(io.BytesIO(file), stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"])
        uids = str(found.SOPClassUID), str(found.SOPInstanceUID), str(found.file_meta.TransferSyntaxUID)
        return cls(*uids, data_set_of(file))


def data_set_of(file: bytes) -> bytes:
    """What follows a file's File Meta Information."""
    return file[_end_of_meta(file) :]


def _end_of_meta(file: bytes) -> int:
    place = 132
    while file[place : place + 2] == b"\2\0":
        is_long = file[place + 4 : place + 6] in (b"OB", b"UN")
        [length] = struct.unpack_from("<L" if is_long else "<H", file, place + (8 if is_long else 6))
        place += (12 if is_long else 8) + length
    return place


class Sender:
    """An association that objects can be sent over; it is released at the end, unless something went wrong."""

    def __init__(
        self,
        address: str,
        objects: Sequence[Object],
        *,
        called: str = "DIANA",
        calling: str = "SENDER",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Proposes what the objects need, 128 presentation contexts at most. Raises AssociationEnded."""
        host, _, port = address.rpartition(":")
        pairs = dict.fromkeys((one.sop_class_uid, one.transfer_syntax) for one in objects)
        contexts = tuple(ProposedContext(2 * place + 1, uid, (syntax,)) for place, (uid, syntax) in enumerate(pairs))
        remote = Remote(host, int(port), tls, connect_seconds=SECONDS, network_seconds=SECONDS)
        self.association: Association = request(remote, Proposal(called, calling, contexts))
        self._message_id = 0

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.association.release()
        else:
            self.association.abort()

    def context_for(self, one: Object) -> Context | None:
        """Where it may be sent; None where that was not accepted."""
        return self.association.agreed.context_for(one.sop_class_uid, one.transfer_syntax)

    def store(self, one: Object, *, uid: str = "", data: Iterable[bytes] | None = None) -> int:
        """Send it, under another UID or with other bytes if told; the status that comes back."""
        context = self.context_for(one)
        if context is None:
            raise ValueError("its presentation context was not accepted")
        self._message_id += 1
        command = command_of(
            Operation.C_STORE,
            self._message_id,
            has_data_set=True,
            affected_sop_class_uid=one.sop_class_uid,
            affected_sop_instance_uid=uid or one.sop_instance_uid,
            priority=0,
        )
        self.association.send(context.context_id, command, [one.data_set] if data is None else data)
        answer = self.association.receive()
        if answer is None or answer.command.message_id_being_responded_to != self._message_id:
            raise ValueError("what came is no answer")
        if answer.command.status is None:
            raise ValueError("the answer has no status")
        return answer.command.status


def send(address: str, files: Iterable[bytes], *, called: str = "DIANA", calling: str = "SENDER") -> list[int]:
    """Send files over one association; their statuses."""
    objects = [Object.of(one) for one in files]
    with Sender(address, objects, called=called, calling=calling) as sender:
        return [sender.store(one) for one in objects]
