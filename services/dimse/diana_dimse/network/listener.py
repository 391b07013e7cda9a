"""Takes associations in: a thread for each, limits, TLS, and an end that lets messages under way finish."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from diana_dimse.network import pdus
from diana_dimse.network.association import Association
from diana_dimse.network.connection import Connection
from diana_dimse.network.faults import AbortReason, AssociationEnded, ProtocolFault, TurnedAway
from diana_dimse.network.negotiation import Proposal, Support, accept, read_proposal
from diana_dimse.network.opening import read_associate_pdu
from diana_dimse.network.pdus import PduType, Rejection

_BACKLOG = 512
# Connections that are told that there is no place, at a time; what comes on top is closed without a word.
_REFUSALS = 32


@dataclass(frozen=True)
class Caller:
    """Who asks for an association."""

    address: str
    """The IP address that the connection comes from."""

    certificate_names: tuple[str, ...] = ()
    """The names and addresses in the certificate that it showed; none without TLS or without one."""


class Door(Protocol):
    """What is done with associations. Its methods are called by many threads."""

    def admit(self, proposal: Proposal, caller: Caller) -> Support | Rejection:
        """Whether to take a requestor in, and what to offer it."""
        ...

    def serve(self, association: Association, caller: Caller) -> None:
        """Serve an association to its end. AssociationEnded may be let out."""
        ...


@dataclass(frozen=True)
class Limits:
    """What a listener takes on."""

    associations: int
    """How many at a time; one more is rejected as a limit of ours (PS3.8 Table 9-21)."""

    negotiation_seconds: float
    """How long a peer may take over TLS and its request (the ARTIM timer)."""

    network_seconds: float
    """How long a peer may send or take nothing within a message."""

    idle_seconds: float
    """How long it may send no message."""


class Listener:
    """One port. `start` it, and `stop` it."""

    def __init__(
        self,
        address: tuple[str, int],
        door: Door,
        limits: Limits,
        tls: ssl.SSLContext | None = None,
        on_ended: Callable[[Caller, BaseException], None] = lambda caller, error: None,
    ) -> None:
        """Listens at once, and takes nobody in before `start`. `on_ended` hears of ends that are no release.

        Raises OSError where the address cannot be used.
        """
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=_BACKLOG)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._door, self._limits, self._tls, self._on_ended = door, limits, tls, on_ended
        self._places = threading.BoundedSemaphore(limits.associations)
        self._refusals = threading.BoundedSemaphore(_REFUSALS)
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, Connection] = {}
        self._established: dict[threading.Thread, Association] = {}
        self._is_stopping = False
        self._thread = threading.Thread(target=self._accept, name="listener", daemon=True)

    @property
    def association_count(self) -> int:
        """How many associations are established now."""
        return len(self._established)

    def start(self) -> None:
        """Take associations from now on."""
        self._thread.start()

    def stop(self, grace_seconds: float) -> None:
        """Take no more, let messages under way finish for a while, then close what is left."""
        with self._lock:
            self._is_stopping = True
            established, connections = dict(self._established), dict(self._connections)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()
        for thread, connection in connections.items():
            if thread in established:
                established[thread].interrupt()
            else:
                connection.wake()
        until = time.monotonic() + grace_seconds
        for thread in connections:
            thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            left = list(self._connections.items())
        for _, connection in left:
            connection.wake()
        for thread, _ in left:
            thread.join(1.0)

    def _accept(self) -> None:
        while not self._is_stopping:
            try:
                sock, address = self._socket.accept()
            except OSError:
                if self._is_stopping:
                    return
                # Out of descriptors: those that end give theirs back.
                threading.Event().wait(0.1)
                continue
            place = next((one for one in (self._places, self._refusals) if one.acquire(blocking=False)), None)
            if place is None:
                sock.close()
                continue
            self._begin(sock, address[0], place)

    def _begin(self, sock: socket.socket, address: str, place: threading.BoundedSemaphore) -> None:
        run = threading.Thread(target=self._run, args=(sock, address, place), name="association", daemon=True)
        try:
            run.start()
        except RuntimeError:  # no more threads
            sock.close()
            place.release()

    def _run(self, sock: socket.socket, address: str, place: threading.BoundedSemaphore) -> None:
        caller = Caller(address)
        try:
            sock.settimeout(self._limits.negotiation_seconds)
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
                caller = Caller(address, _certificate_names(sock))
            with self._known(Connection(sock, self._limits.network_seconds)) as connection:
                self._serve(connection, caller, is_full=place is self._refusals)
        except Exception as error:  # a fault of one association must not be lost, nor end others
            self._on_ended(caller, error)
        finally:
            sock.close()
            place.release()

    @contextmanager
    def _known(self, connection: Connection) -> Iterator[Connection]:
        """Keep a connection where `stop` finds it, for as long as this thread works on it."""
        this = threading.current_thread()
        with self._lock:
            self._connections[this] = connection
            if self._is_stopping:
                connection.wake()
        try:
            yield connection
        finally:
            with self._lock:
                del self._connections[this]

    def _serve(self, connection: Connection, caller: Caller, is_full: bool) -> None:
        association = self._negotiate(connection, caller, is_full)
        with self._lock:
            self._established[threading.current_thread()] = association
            if self._is_stopping:
                association.interrupt()
        try:
            self._door.serve(association, caller)
        except BaseException:
            association.abort()  # which does nothing where it is over
            raise
        finally:
            with self._lock:
                del self._established[threading.current_thread()]
            connection.close()

    def _negotiate(self, connection: Connection, caller: Caller, is_full: bool) -> Association:
        """The association. Raises AssociationEnded, TurnedAway where it was rejected."""
        try:
            proposal = read_proposal(self._first_pdu(connection))
        except ProtocolFault as fault:
            with suppress(AssociationEnded):  # it may be gone; what it did wrong is what counts
                connection.send([pdus.abort(fault.reason, by_provider=True)])
            connection.close(gently=True)
            raise
        support = Rejection.LOCAL_LIMIT_EXCEEDED if is_full else self._door.admit(proposal, caller)
        if isinstance(support, Rejection):
            connection.send([pdus.reject(support)])
            connection.close(gently=True)
            raise TurnedAway(support.name.lower().replace("_", " "))
        agreed, answer = accept(proposal, support)
        connection.send([answer])
        return Association(connection, agreed, self._limits.idle_seconds)

    def _first_pdu(self, connection: Connection) -> bytes:
        kind, pdu = read_associate_pdu(connection, self._limits.negotiation_seconds)
        if kind is not PduType.ASSOCIATE_RQ:
            raise ProtocolFault("an association does not begin with a request", AbortReason.UNEXPECTED_PDU)
        return pdu


def _certificate_names(sock: ssl.SSLSocket) -> tuple[str, ...]:
    """DNS names and IP addresses of the certificate that the peer showed; its common name does not count."""
    certificate: Mapping[str, Any] = sock.getpeercert() or {}
    return tuple(value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "IP Address"))
