"""The first PDUs of an association, from either side, and the asking side of it (PS3.8 section 7.1)."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass

from diana_dimse.network import pdus
from diana_dimse.network.association import Association
from diana_dimse.network.connection import Connection
from diana_dimse.network.faults import (
    AbortReason,
    AssociationEnded,
    ConnectionLost,
    PeerAborted,
    ProtocolFault,
    Rejected,
)
from diana_dimse.network.negotiation import Proposal, encode_proposal, read_acceptance
from diana_dimse.network.pdus import PduType

_MOST_BYTES = 256 * 1024  # 128 presentation contexts with all transfer syntaxes are 170 KB
# Longer ones are rare; so many are held in memory at a time, the others wait for their turn.
_LONG_BYTES = 64 * 1024
_long_ones = threading.BoundedSemaphore(16)


@dataclass(frozen=True)
class Remote:
    """Where an Application Entity is reached, and how patient one is with it."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    connect_seconds: float = 10.0
    network_seconds: float = 60.0
    """How long it may send or take nothing within a message, and how long it may take to answer one."""


def request(remote: Remote, proposal: Proposal) -> Association:
    """An association with a remote Application Entity. Raises Rejected and the other AssociationEnded."""
    pdu = encode_proposal(proposal)
    try:
        sock = socket.create_connection((remote.host, remote.port), timeout=remote.connect_seconds)
    except OSError as error:
        raise ConnectionLost(f"cannot connect: {type(error).__name__}") from None
    try:
        if remote.tls:
            sock = remote.tls.wrap_socket(sock, server_hostname=remote.host)
        connection = Connection(sock, remote.network_seconds)
        connection.send([pdu])
        kind, answer = read_associate_pdu(connection, remote.network_seconds)
        return _established(kind, answer, connection, proposal, remote)
    except ProtocolFault as fault:
        with suppress(AssociationEnded):
            connection.send([pdus.abort(fault.reason, by_provider=True)])
        sock.close()
        raise
    except OSError as error:
        sock.close()
        raise ConnectionLost(f"cannot connect: {type(error).__name__}") from None
    except BaseException:
        sock.close()
        raise


def read_associate_pdu(connection: Connection, seconds: float) -> tuple[PduType, bytes]:
    """The PDU that begins or answers an association, whole, and its type. Raises AssociationEnded."""
    header = connection.exactly(pdus.HEADER.size, seconds)
    kind, length = pdus.HEADER.unpack(header)
    if kind not in PduType.__members__.values():
        raise ProtocolFault("what comes is no PDU", AbortReason.UNRECOGNIZED_PDU)
    if length > _MOST_BYTES:
        raise ProtocolFault("a PDU that begins an association is too long")
    if length <= _LONG_BYTES:
        return PduType(kind), header + connection.exactly(length, seconds)
    if not _long_ones.acquire(timeout=seconds):
        raise ConnectionLost("too many long requests come at a time")
    try:
        return PduType(kind), header + connection.exactly(length, seconds)
    finally:
        _long_ones.release()


def _established(
    kind: PduType, answer: bytes, connection: Connection, proposal: Proposal, remote: Remote
) -> Association:
    if kind is PduType.ASSOCIATE_RJ and len(answer) == pdus.HEADER.size + 4:
        raise Rejected(*answer[-3:])
    if kind is PduType.ABORT:
        raise PeerAborted("the peer aborted the association")
    if kind is not PduType.ASSOCIATE_AC:
        raise ProtocolFault("an association is not answered with an answer", AbortReason.UNEXPECTED_PDU)
    return Association(connection, read_acceptance(proposal, answer), remote.network_seconds)
