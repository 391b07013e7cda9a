"""The other end of an association, written byte by byte (PS3.8 section 9.3): polite or not, as a test likes."""

from __future__ import annotations

import queue
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from diana_dimse.network.association import Association
from diana_dimse.network.commands import CommandSet, Operation, encode, request, response
from diana_dimse.network.faults import AssociationEnded
from diana_dimse.network.listener import Caller, Limits, Listener
from diana_dimse.network.negotiation import Proposal, Roles, Support
from diana_dimse.network.pdus import Rejection

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
COMMAND, LAST = 1, 2
SECONDS = 20.0
"""No test waits for so long unless it fails."""

QUICK = Limits(associations=16, negotiation_seconds=SECONDS, network_seconds=SECONDS, idle_seconds=SECONDS)


def pdu(kind: int, body: bytes = bytes(4), length: int | None = None) -> bytes:
    """A PDU; `length` lies about its length."""
    return struct.pack(">BxL", kind, len(body) if length is None else length) + body


def item(kind: int, body: bytes, length: int | None = None) -> bytes:
    """An item or a sub-item."""
    return struct.pack(">BxH", kind, len(body) if length is None else length) + body


def context_item(context_id: int, abstract: str, *syntaxes: str) -> bytes:
    """A proposed presentation context."""
    names = item(0x30, abstract.encode()) + b"".join(item(0x40, one.encode()) for one in syntaxes)
    return item(0x20, bytes((context_id, 0, 0, 0)) + names)


def role_item(abstract: str, scu: int, scp: int) -> bytes:
    """SCP/SCU Role Selection (PS3.7 section D.3.3.4)."""
    return item(0x54, struct.pack(">H", len(abstract)) + abstract.encode() + bytes((scu, scp)))


def extended_item(abstract: str, information: bytes) -> bytes:
    """SOP Class Extended Negotiation (PS3.7 section D.3.3.5)."""
    return item(0x56, struct.pack(">H", len(abstract)) + abstract.encode() + information)


def user_item(*more: bytes, max_pdu: int = 16384) -> bytes:
    """User Information: the Maximum Length, an Implementation Class UID and more."""
    return item(0x50, item(0x51, struct.pack(">L", max_pdu)) + item(0x52, b"1.2.3") + b"".join(more))


DEFAULT_CONTEXTS = (context_item(1, VERIFICATION, IMPLICIT), context_item(3, CT, EXPLICIT))


def associate_rq(
    *contexts: bytes, user: bytes = user_item(), called: bytes = b"DIANA", calling: bytes = b"PEER"
) -> bytes:
    """A request; Verification is context 1 and CT Image Storage context 3 unless told."""
    head = struct.pack(">HH16s16s32x", 1, 0, called.ljust(16), calling.ljust(16))
    application = item(0x10, b"1.2.840.10008.3.1.1.1")
    return pdu(1, head + application + b"".join(contexts or DEFAULT_CONTEXTS) + user)


def pdv(context_id: int, control: int, data: bytes, length: int | None = None) -> bytes:
    """A Presentation Data Value."""
    return struct.pack(">LBB", len(data) + 2 if length is None else length, context_id, control) + data


def p_data(*values: bytes) -> bytes:
    """A P-DATA-TF of whole values."""
    return pdu(4, b"".join(values))


def message(context_id: int, command: bytes, data: bytes | None = None, most: int = 16384) -> bytes:
    """A message's PDUs, one value each, none longer than `most`."""
    room = most - 6
    parts = [(COMMAND, command[place : place + room]) for place in range(0, len(command), room)]
    parts[-1] = (COMMAND | LAST, parts[-1][1])
    if data is not None:
        parts += [(0, data[place : place + room]) for place in range(0, len(data) or 1, room)]
        parts[-1] = (LAST, parts[-1][1])
    return b"".join(p_data(pdv(context_id, control, part)) for control, part in parts)


def echo(message_id: int = 1) -> bytes:
    """A C-ECHO-RQ's command set."""
    return encode(request(Operation.C_ECHO, message_id, affected_sop_class_uid=VERIFICATION))


def store(message_id: int = 1, uid: str = "1.2.3.4") -> bytes:
    """A C-STORE-RQ's command set, for CT Image Storage."""
    return encode(
        request(
            Operation.C_STORE,
            message_id,
            has_data_set=True,
            affected_sop_class_uid=CT,
            affected_sop_instance_uid=uid,
            priority=0,
        )
    )


RELEASE_RQ, RELEASE_RP, ABORT = pdu(5), pdu(6), pdu(7)


class Peer:
    """A socket to the listener."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(SECONDS)
        self.sock = sock

    def send(self, *data: bytes) -> None:
        self.sock.sendall(b"".join(data))

    def associate(self, asked: bytes = b"") -> bytes:
        """Ask; the body of the answer, which must be an acceptance."""
        self.send(asked or associate_rq())
        kind, body = self.pdu()
        assert kind == 2, (kind, body)
        return body

    def pdu(self) -> tuple[int, bytes]:
        """The next PDU's type and body; (0, b"") at the connection's end."""
        head = self._exactly(6)
        if len(head) < 6:
            return 0, b""
        kind, length = struct.unpack(">BxL", head)
        return kind, self._exactly(length)

    def is_over(self) -> bool:
        """Whether the connection has ended, now or soon."""
        return self.pdu()[0] == 0

    def aborted(self) -> tuple[int, int] | None:
        """Source and reason of the A-ABORT that comes next; None where the connection ends without one."""
        kind, body = self.pdu()
        if kind == 0:
            return None
        assert kind == 7, (kind, body)
        return body[2], body[3]

    def close(self) -> None:
        self.sock.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                piece = self.sock.recv(count - len(data))
            except ConnectionResetError:
                return b""
            if not piece:
                return b""
            data += piece
        return data


class Offering(Support):
    """Takes the first transfer syntax of all SOP Classes but some, and all roles."""

    def __init__(self, refused: Sequence[str] = ()) -> None:
        self.refused = refused

    def transfer_syntax(self, abstract_syntax: str, proposed: Sequence[str]) -> str | None:
        if abstract_syntax in self.refused:
            return None
        return next((one for one in proposed if one in (IMPLICIT, EXPLICIT)), "")

    def roles(self, abstract_syntax: str, proposed: Roles) -> Roles:
        return proposed

    def extended(self, abstract_syntax: str, proposed: bytes) -> bytes | None:
        return bytes(one & 1 for one in proposed) if proposed else None


@dataclass
class RecordingDoor:
    """Remembers all messages, answers each with success, and tells how associations ended."""

    support: Support | Rejection = field(default_factory=Offering)
    before_answer: Callable[[Association, CommandSet], None] = lambda association, command: None
    proposals: list[Proposal] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    messages: list[tuple[CommandSet, bytes]] = field(default_factory=list)
    ends: list[BaseException | None] = field(default_factory=list)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def admit(self, proposal: Proposal, caller: Caller) -> Support | Rejection:
        self.proposals.append(proposal)
        self.callers.append(caller)
        return self.support

    def serve(self, association: Association, caller: Caller) -> None:
        try:
            while (message := association.receive()) is not None:
                self.begun.release()
                data = b"".join(map(bytes, message))
                self.before_answer(association, message.command)
                self.messages.append((message.command, data))
                association.send(message.context.context_id, response(message.command, 0))
            self.ends.append(None)
        except AssociationEnded as error:
            self.ends.append(error)
            raise
        finally:
            self.ended.release()

    def await_end(self) -> BaseException | None:
        """How the next association ends that was not awaited yet."""
        assert self.ended.acquire(timeout=SECONDS)
        return self.ends[-1]


class Port:
    """A listener, and who calls it."""

    def __init__(self, listener: Listener, complaints: queue.Queue[BaseException]) -> None:
        self.listener = listener
        self._complaints = complaints

    def call(self) -> Peer:
        return Peer(socket.create_connection(self.listener.address, timeout=SECONDS))

    def complaint(self) -> BaseException:
        """The next end that is no release, of which the listener told."""
        return self._complaints.get(timeout=SECONDS)

    def complaints(self) -> list[BaseException]:
        """Those that it told of and nobody asked for."""
        return [self._complaints.get_nowait() for _ in range(self._complaints.qsize())]


@contextmanager
def listening(
    door: RecordingDoor, limits: Limits = QUICK, tls: ssl.SSLContext | None = None, grace_seconds: float = SECONDS
) -> Iterator[Port]:
    """A listener that runs; at the end no thread of its own is left."""
    complaints: queue.Queue[BaseException] = queue.Queue()
    listener = Listener(("127.0.0.1", 0), door, limits, tls, on_ended=lambda caller, error: complaints.put(error))
    listener.start()
    try:
        yield Port(listener, complaints)
    finally:
        listener.stop(grace_seconds)
    await_threads()


def await_threads() -> None:
    """All threads of associations end."""
    for thread in threading.enumerate():
        if thread.name in ("association", "listener"):
            thread.join(SECONDS)
            assert not thread.is_alive(), f"{thread} is left"
