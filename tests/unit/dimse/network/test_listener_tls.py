"""Associations over TLS: silent handshakes, certificates and their names, and an end that stays encrypted."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import trustme

from diana_dimse.network.association import Association
from diana_dimse.network.commands import CommandSet
from diana_dimse.network.faults import ConnectionLost
from diana_dimse.network.negotiation import Proposal, ProposedContext
from diana_dimse.network.opening import Remote, request
from tests.unit.dimse.network.upper_layer import (
    IMPLICIT,
    QUICK,
    RELEASE_RQ,
    SECONDS,
    VERIFICATION,
    Peer,
    Port,
    RecordingDoor,
    associate_rq,
    echo,
    listening,
    message,
    store,
)

DATA = bytes(range(256)) * 4000


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, *, asks: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if asks:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if names:
        authority.issue_cert(*names).configure_cert(context)
    return context


@contextmanager
def calling(port: Port, context: ssl.SSLContext) -> Iterator[Peer]:
    raw = socket.create_connection(port.listener.address, timeout=SECONDS)
    with context.wrap_socket(raw, server_hostname="127.0.0.1") as sock:
        yield Peer(sock)


def test_messages_come_over_tls(authority: trustme.CA) -> None:
    door = RecordingDoor()
    with (
        listening(door, tls=server_context(authority)) as port,
        calling(port, client_context(authority)) as peer,
    ):
        peer.associate()
        peer.send(message(3, store(), DATA), message(1, echo()), RELEASE_RQ)
        assert [peer.pdu()[0] for _ in range(3)] == [4, 4, 6]
        assert door.messages[0][1] == DATA
        assert door.callers[0].certificate_names == ()


def test_a_silent_handshake_holds_up_nobody(authority: trustme.CA) -> None:
    door = RecordingDoor()
    with listening(door, tls=server_context(authority)) as port:
        silent = [port.call() for _ in range(8)]
        with calling(port, client_context(authority)) as peer:
            peer.associate()
            peer.send(message(1, echo()))
            assert peer.pdu()[0] == 4
        for one in silent:
            one.close()


def test_a_silent_handshake_ends(authority: trustme.CA) -> None:
    with listening(RecordingDoor(), replace(QUICK, negotiation_seconds=0.05), server_context(authority)) as port:
        silent = port.call()
        assert silent.is_over()
        silent.close()
        assert isinstance(port.complaint(), OSError)


@pytest.mark.parametrize("said", [associate_rq(), b"\x16\x03\x01\xff\xff" + bytes(70_000), b"GET / HTTP/1.0\r\n\r\n"])
def test_what_is_no_tls_is_not_served(authority: trustme.CA, said: bytes) -> None:
    door = RecordingDoor()
    with listening(door, tls=server_context(authority)) as port:
        plain = port.call()
        plain.send(said)
        plain.close()
        assert isinstance(port.complaint(), OSError)
        with calling(port, client_context(authority)) as peer:
            peer.associate()
    assert len(door.proposals) == 1


def test_the_names_of_a_certificate_are_told(authority: trustme.CA) -> None:
    door = RecordingDoor()
    context = client_context(authority, "ct.hospital.example", "10.1.2.3")
    with listening(door, tls=server_context(authority, asks=True)) as port, calling(port, context) as peer:
        peer.associate()
    assert set(door.callers[0].certificate_names) == {"ct.hospital.example", "10.1.2.3"}


@pytest.mark.parametrize("stranger", [False, True], ids=["none", "of another authority"])
def test_whoever_shows_no_certificate_of_ours_is_not_let_in(authority: trustme.CA, stranger: bool) -> None:
    door = RecordingDoor()
    context = client_context(authority)
    if stranger:
        trustme.CA().issue_cert("ct.hospital.example").configure_cert(context)
    with listening(door, tls=server_context(authority, asks=True)) as port:
        with pytest.raises(OSError), calling(port, context) as peer:
            peer.send(associate_rq())
            peer.sock.recv(1)
        assert isinstance(port.complaint(), OSError)
    assert door.proposals == []


def test_we_call_over_tls_and_look_at_the_name(authority: trustme.CA) -> None:
    door = RecordingDoor()
    proposal = Proposal("DIANA", "PEER", (ProposedContext(1, VERIFICATION, (IMPLICIT,)),))
    with listening(door, tls=server_context(authority)) as port:
        host, number = port.listener.address
        request(Remote(host, number, client_context(authority), network_seconds=SECONDS), proposal).release()
        with pytest.raises(ConnectionLost):
            request(Remote("localhost", number, client_context(authority), network_seconds=SECONDS), proposal)
        with pytest.raises(ConnectionLost):
            request(Remote(host, number, client_context(trustme.CA()), network_seconds=SECONDS), proposal)


def test_nothing_is_sent_in_plain_text_at_the_end(authority: trustme.CA) -> None:
    """A stop that waits no longer wakes the reader, while answers may still be on their way out."""
    stopping: list[Port] = []
    sent: list[CommandSet] = []

    def stop(association: Association, command: CommandSet) -> None:
        stop = threading.Thread(target=stopping[0].listener.stop, args=(0,))
        stop.start()
        stop.join(SECONDS)  # it has woken this association, and waited for it in vain
        for _ in range(3):
            association.send(1, command)
        sent.append(command)

    door = RecordingDoor(before_answer=stop)
    with listening(door, tls=server_context(authority)) as port:
        stopping.append(port)
        with recorded(port) as (address, came):
            raw = socket.create_connection(address, timeout=SECONDS)
            with client_context(authority).wrap_socket(raw, server_hostname="127.0.0.1") as sock:
                peer = Peer(sock)
                peer.associate()
                peer.send(message(1, echo()))
                while peer.sock.recv(65536):
                    pass
    assert VERIFICATION.encode() not in bytes(came)
    assert sent


@contextmanager
def recorded(port: Port) -> Iterator[tuple[tuple[str, int], bytearray]]:
    """A wire tap in between: its address, and what the listener sends."""
    came = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def carry(source: socket.socket, target: socket.socket, copy: bytearray | None) -> None:
            try:
                while data := source.recv(65536):
                    if copy is not None:
                        copy += data
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        def tap() -> None:
            near, _ = server.accept()
            with near, socket.create_connection(port.listener.address, timeout=SECONDS) as far:
                up = threading.Thread(target=carry, args=(near, far, None))
                up.start()
                carry(far, near, came)
                up.join()

        thread = threading.Thread(target=tap)
        thread.start()
        yield server.getsockname()[:2], came
        thread.join(SECONDS)
        assert not thread.is_alive()
