"""An established association: messages in, messages out (PS3.7 section 6.3, PS3.8 section 9)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from diana_dimse.network import pdus
from diana_dimse.network.commands import CommandSet, Operation, decode, encode
from diana_dimse.network.connection import Connection, Piece
from diana_dimse.network.faults import (
    AbortReason,
    AssociationEnded,
    ConnectionLost,
    PeerAborted,
    PeerSilent,
    ProtocolFault,
)
from diana_dimse.network.negotiation import Agreed, Context
from diana_dimse.network.pdus import PduType

_MOST_COMMAND_BYTES = 64 * 1024
_MOST_EMPTY_FRAGMENTS = 1000
# The slowest that a data set may come: 1 KiB a second.
_PACE_SECONDS = 60.0
_PACE_BYTES = 60 * 1024
_MOST_PDU_BYTES = 1024 * 1024


@dataclass(frozen=True)
class _Fragment:
    context_id: int
    is_command: bool
    is_last: bool


class Message:
    """A message that came: its command, and its data set to be read piece by piece as it arrives.

    Read it before the next message is received; what nobody read is passed over then.
    """

    def __init__(self, context: Context, command: CommandSet, pieces: Iterator[memoryview]) -> None:
        self.context = context
        self.command = command
        self._pieces = pieces

    def __iter__(self) -> Iterator[memoryview]:
        """The data set's bytes; each piece is good until the next one. Raises AssociationEnded."""
        return self._pieces

    def drain(self) -> None:
        """Read what is left of the data set, and forget it. Raises AssociationEnded."""
        for _ in self._pieces:
            pass

    def read(self, most: int) -> bytes:
        """The whole data set. Raises ProtocolFault where it is longer than `most` bytes, and AssociationEnded."""
        data = bytearray()
        for piece in self._pieces:
            data += piece
            if len(data) > most:
                raise ProtocolFault(f"a data set that is no object is longer than {most} bytes")
        return bytes(data)


class Association:
    """Both ends of it look the same once it is established.

    One thread receives and sends; only `interrupt` may be called by another. Every method raises AssociationEnded,
    after which the association is closed; a fault of the peer's was answered with A-ABORT then.
    """

    def __init__(self, connection: Connection, agreed: Agreed, idle_seconds: float) -> None:
        """`idle_seconds`: how long the peer may send no message; within messages the connection's own limit counts."""
        self.agreed = agreed
        self._connection = connection
        self._idle_seconds = idle_seconds
        self._pdu_left = self._pdv_left = 0
        self._message: Message | None = None
        self._lock = threading.Lock()
        self._is_idle = self._is_interrupted = False
        most = agreed.max_pdu_bytes or _MOST_PDU_BYTES
        self._most_data = max(64, min(most, _MOST_PDU_BYTES) - pdus.PDV_HEADER.size) & ~1  # fragments are even

    def receive(self, seconds: float | None = None) -> Message | None:
        """The next message; None once the peer released the association. It may take `seconds` to begin."""
        try:
            self._pass_over()
            return self._receive(self._idle_seconds if seconds is None else seconds)
        except ProtocolFault as fault:
            self._abort(fault.reason, by_provider=True)
            raise
        except AssociationEnded:
            self.abort()
            raise

    def send(self, context_id: int, command: CommandSet, data: Iterable[Piece] = ()) -> None:
        """Send a message; `data` is its data set, in pieces."""
        try:
            begun = self._pdus(context_id, encode(command), pdus.IS_COMMAND)
            if command.has_data_set:
                self._send_data(context_id, data, begun)
            else:
                self._connection.send(begun)
        except AssociationEnded:
            self._connection.close()
            raise

    def is_readable(self, seconds: float) -> bool:
        """Whether something comes within so many seconds, be it the end."""
        return self._connection.is_readable(seconds)

    def is_cancelled(self, message_id: int) -> bool:
        """Whether the peer has asked meanwhile to cancel the operation that this message began."""
        if not self._connection.is_readable():
            return False
        message = self.receive()
        if message is None:
            raise ConnectionLost("the peer released the association in the midst of an operation")
        return self.cancels(message, message_id)

    @staticmethod
    def cancels(message: Message, message_id: int) -> bool:
        """Whether a message is the C-CANCEL-RQ of an operation."""
        command = message.command
        return command.operation == Operation.C_CANCEL and command.message_id_being_responded_to == message_id

    def release(self) -> None:
        """End the association in order, as its requestor."""
        try:
            self._connection.send([pdus.RELEASE_RQ])
            until = time.monotonic() + self._connection.seconds
            while (kind := self._next_pdu(until - time.monotonic())) is not PduType.RELEASE_RP:
                if time.monotonic() > until:
                    raise PeerSilent("the peer does not answer a release")
                if kind is PduType.RELEASE_RQ:  # both asked at once (PS3.8 section 7.2.2.7)
                    self._connection.send([pdus.RELEASE_RP])
                elif kind is PduType.P_DATA_TF:
                    self._skip_pdu()
        except ProtocolFault as fault:
            self._abort(fault.reason, by_provider=True)
            raise
        finally:
            self._connection.close()

    def abort(self) -> None:
        """End it at once, as its user. Never raises."""
        self._abort(AbortReason.NOT_SPECIFIED, by_provider=False)

    @property
    def is_interrupted(self) -> bool:
        """Whether `interrupt` was called."""
        return self._is_interrupted

    def interrupt(self) -> None:
        """Have it end when no message is under way: `receive` raises ConnectionLost then. For another thread."""
        with self._lock:
            self._is_interrupted = True
            if self._is_idle:
                self._connection.wake()

    def _receive(self, seconds: float) -> Message | None:
        with self._lock:
            if self._is_interrupted:
                self._abort(AbortReason.NOT_SPECIFIED, by_provider=False)
                raise ConnectionLost("we stop")
            self._is_idle = True
        try:
            first = self._fragment(seconds)
        finally:
            with self._lock:
                self._is_idle = False
        if first is None:
            self._connection.send([pdus.RELEASE_RP])
            self._connection.close(gently=True)
            return None
        if not first.is_command:
            raise ProtocolFault("a data set comes without a command", AbortReason.UNEXPECTED_PARAMETER)
        command = decode(self._command(first))
        context = self.agreed.contexts.get(first.context_id)
        if context is None:
            raise ProtocolFault("a message is in a presentation context that was not accepted")
        pieces = self._data(first.context_id) if command.has_data_set else iter(())
        self._message = Message(context, command, pieces)
        return self._message

    def _pass_over(self) -> None:
        """Read what is left of the message before."""
        message, self._message = self._message, None
        if message is not None:
            message.drain()

    def _command(self, fragment: _Fragment) -> bytes:
        data = bytearray()
        empty = 0
        until = time.monotonic() + self._connection.seconds
        while True:
            empty = empty + 1 if not self._pdv_left else 0
            if time.monotonic() > until:
                raise PeerSilent("a command set comes too slowly")
            if len(data) + self._pdv_left > _MOST_COMMAND_BYTES or empty > _MOST_EMPTY_FRAGMENTS:
                raise ProtocolFault("a command set has no end")
            data += self._connection.exactly(self._taken(self._pdv_left))
            if fragment.is_last:
                return bytes(data)
            fragment = self._following(fragment.context_id, is_command=True)

    def _data(self, context_id: int) -> Iterator[memoryview]:
        """A data set's pieces, as they come."""
        try:
            yield from self._data_pieces(context_id)
        except ProtocolFault as fault:
            self._abort(fault.reason, by_provider=True)
            raise
        except AssociationEnded:
            self.abort()
            raise

    def _data_pieces(self, context_id: int) -> Iterator[memoryview]:
        pace = _Pace()
        empty = 0
        while True:
            fragment = self._following(context_id, is_command=False)
            empty = empty + 1 if not self._pdv_left else 0
            if empty > _MOST_EMPTY_FRAGMENTS:
                raise ProtocolFault("a data set goes on without bytes")
            while self._pdv_left:
                piece = self._connection.some(self._pdv_left)
                self._taken(len(piece))
                pace.check(len(piece))
                yield piece
            if fragment.is_last:
                return

    def _following(self, context_id: int, is_command: bool) -> _Fragment:
        fragment = self._fragment(self._connection.seconds)
        if fragment is None:
            raise ProtocolFault("a release is asked for within a message", AbortReason.UNEXPECTED_PDU)
        if fragment.context_id != context_id or fragment.is_command != is_command:
            raise ProtocolFault("fragments of two messages are mixed", AbortReason.UNEXPECTED_PARAMETER)
        return fragment

    def _fragment(self, seconds: float) -> _Fragment | None:
        """The header of the next Presentation Data Value; None for a release request."""
        if not self._pdu_left:
            kind = self._next_pdu(seconds)
            if kind is PduType.RELEASE_RQ:
                return None
            if kind is not PduType.P_DATA_TF:
                raise ProtocolFault("a PDU comes that has no place here", AbortReason.UNEXPECTED_PDU)
        if self._pdu_left < pdus.PDV_HEADER.size:
            raise ProtocolFault("a P-DATA-TF ends within a header")
        length, context_id, control = pdus.PDV_HEADER.unpack(self._connection.exactly(pdus.PDV_HEADER.size))
        self._pdu_left -= pdus.PDV_HEADER.size
        if not 2 <= length <= self._pdu_left + 2:
            raise ProtocolFault("a Presentation Data Value has a length that cannot be")
        self._pdv_left = length - 2
        return _Fragment(context_id, bool(control & pdus.IS_COMMAND), bool(control & pdus.IS_LAST))

    def _taken(self, count: int) -> int:
        self._pdv_left -= count
        self._pdu_left -= count
        return count

    def _next_pdu(self, seconds: float) -> PduType:
        """The type of the next PDU; what it holds is read but for a P-DATA-TF. Raises PeerAborted."""
        kind, length = pdus.HEADER.unpack(self._connection.exactly(pdus.HEADER.size, seconds))
        if kind == PduType.P_DATA_TF:
            self._pdu_left = length
            return PduType.P_DATA_TF
        if kind not in (PduType.RELEASE_RQ, PduType.RELEASE_RP, PduType.ABORT):
            known = kind in PduType.__members__.values()
            raise ProtocolFault(
                "a PDU comes that has no place here",
                AbortReason.UNEXPECTED_PDU if known else AbortReason.UNRECOGNIZED_PDU,
            )
        if length != 4:
            raise ProtocolFault("a PDU has a length that cannot be")
        self._connection.exactly(4)
        if kind == PduType.ABORT:
            self._connection.close()
            raise PeerAborted("the peer aborted the association")
        return PduType(kind)

    def _skip_pdu(self) -> None:
        while self._pdu_left:
            self._pdu_left -= len(self._connection.some(self._pdu_left))

    def _send_data(self, context_id: int, data: Iterable[Piece], begun: list[Piece]) -> None:
        """One piece is held back, so that the last one is known as such. `begun`, the command, goes with the first.

        A fragment has an even number of bytes (PS3.8 section 9.3.5.1); pieces may be cut anywhere.
        """
        held: Piece = b""
        for piece in data:
            odd = len(held) % 2
            if len(held) > odd:
                whole = memoryview(held)[: len(held) - odd]
                self._connection.send(begun + self._pdus(context_id, whole, 0, is_end=False))
                begun = []
            held = b"".join((held[-1:], piece)) if odd else piece
        self._connection.send(begun + self._pdus(context_id, held, 0))

    def _pdus(self, context_id: int, data: Piece, control: int, *, is_end: bool = True) -> list[Piece]:
        """P-DATA-TF PDUs with one value each, none longer than the peer takes."""
        view, most = memoryview(data), self._most_data
        rest = (len(view) - 1) // most * most if len(view) else 0  # where the last one begins
        head = pdus.p_data(most, context_id, control)
        pieces: list[Piece] = []
        for place in range(0, rest, most):
            pieces += head, view[place : place + most]
        last = control | pdus.IS_LAST if is_end else control
        return [*pieces, pdus.p_data(len(view) - rest, context_id, last), view[rest:]]

    def _abort(self, reason: AbortReason, by_provider: bool) -> None:
        with suppress(AssociationEnded):
            self._connection.send([pdus.abort(reason, by_provider)])
        self._connection.close(gently=by_provider)


class _Pace:
    """Sees that a message does not trickle in for ever."""

    def __init__(self) -> None:
        self._since, self._count = time.monotonic(), 0

    def check(self, count: int) -> None:
        """Count what came. Raises PeerSilent when it was too little for too long."""
        self._count += count
        now = time.monotonic()
        if now - self._since > _PACE_SECONDS:
            if self._count < _PACE_BYTES:
                raise PeerSilent("a message comes too slowly")
            self._since, self._count = now, 0
