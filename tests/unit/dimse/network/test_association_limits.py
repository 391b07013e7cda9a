"""Slow and silent peers, too many of them, and a stop while they are there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from diana_dimse.network import association as association_module
from diana_dimse.network.association import Association
from diana_dimse.network.commands import CommandSet
from diana_dimse.network.faults import ConnectionLost, PeerSilent, ProtocolFault
from tests.unit.dimse.network.upper_layer import (
    COMMAND,
    LAST,
    QUICK,
    RELEASE_RQ,
    SECONDS,
    Peer,
    Port,
    RecordingDoor,
    associate_rq,
    echo,
    listening,
    message,
    p_data,
    pdu,
    pdv,
    store,
)

MOMENT = 0.05
BY_USER = (0, 0)


@pytest.fixture
def door() -> RecordingDoor:
    return RecordingDoor()


@contextmanager
def established(door: RecordingDoor, **limits: float) -> Iterator[tuple[Port, Peer]]:
    """An association with a listener of which some limits are other than long."""
    with listening(door, replace(QUICK, **limits)) as port:  # type: ignore[arg-type]
        peer = port.call()
        peer.associate()
        yield port, peer
        peer.close()


@pytest.mark.parametrize("begun", [b"", b"\1", associate_rq()[:-1]])
def test_a_peer_that_does_not_ask_is_not_waited_for(door: RecordingDoor, begun: bytes) -> None:
    with listening(door, replace(QUICK, negotiation_seconds=MOMENT)) as port:
        peer = port.call()
        peer.send(begun)
        assert peer.is_over()
        peer.close()
        assert isinstance(port.complaint(), PeerSilent)


def test_a_peer_that_sends_no_message_is_aborted(door: RecordingDoor) -> None:
    with established(door, idle_seconds=MOMENT) as (_, peer):
        assert peer.aborted() == BY_USER
        assert isinstance(door.await_end(), PeerSilent)


@pytest.mark.parametrize("cut", [len(store()) // 2, -3000, -1])
def test_a_peer_that_falls_silent_within_a_message_is_aborted(door: RecordingDoor, cut: int) -> None:
    with established(door, network_seconds=MOMENT) as (_, peer):
        peer.send(message(3, store(), bytes(10_000))[:cut])
        assert peer.aborted() == BY_USER
        assert isinstance(door.await_end(), PeerSilent)
        assert door.messages == []


def test_the_limit_within_messages_does_not_count_between_them(door: RecordingDoor) -> None:
    with established(door, network_seconds=MOMENT) as (_, peer):
        for one in (1, 2):
            threading.Event().wait(3 * MOMENT)
            peer.send(message(1, echo(one)))
            assert peer.pdu()[0] == 4


def test_a_message_that_trickles_is_aborted(door: RecordingDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(association_module, "_PACE_SECONDS", MOMENT)
    with established(door) as (_, peer):
        peer.send(p_data(pdv(3, COMMAND | LAST, store())))
        stop = threading.Event()
        drip = threading.Thread(target=_drip, args=(peer, p_data(pdv(3, 0, b"a")), stop))
        drip.start()
        assert peer.aborted() == BY_USER
        stop.set()
        drip.join()
        assert isinstance(door.await_end(), PeerSilent)


def test_a_command_that_trickles_is_aborted(door: RecordingDoor) -> None:
    with established(door, network_seconds=4 * MOMENT) as (_, peer):
        stop = threading.Event()
        drip = threading.Thread(target=_drip, args=(peer, p_data(pdv(3, COMMAND, b"a")), stop))
        drip.start()
        assert peer.aborted() == BY_USER
        stop.set()
        drip.join()
        assert isinstance(door.await_end(), PeerSilent)


def _drip(peer: Peer, data: bytes, stop: threading.Event) -> None:
    try:
        while not stop.wait(MOMENT / 5):
            peer.send(data)
    except OSError:
        pass


def test_a_peer_that_takes_no_answers_is_left(door: RecordingDoor) -> None:
    def flood(association: Association, command: CommandSet) -> None:
        while True:
            association.send(1, command)

    door.before_answer = flood
    with established(door, network_seconds=MOMENT) as (_, peer):
        peer.send(message(1, echo()))
        assert isinstance(door.await_end(), PeerSilent)


def test_one_too_many_is_rejected_for_the_moment(door: RecordingDoor) -> None:
    with listening(door, replace(QUICK, associations=2)) as port:
        peers = [port.call() for _ in range(3)]
        for peer in peers[:2]:
            peer.associate()
        peers[2].send(associate_rq())
        assert peers[2].pdu() == (3, bytes((0, 2, 3, 2)))
        for peer in peers:
            peer.close()
        while not _is_taken_in(port):
            pass


def _is_taken_in(port: Port) -> bool:
    peer = port.call()
    peer.send(associate_rq())
    kind, _ = peer.pdu()
    peer.close()
    return kind == 2


def test_far_too_many_are_let_go_of_without_a_word(door: RecordingDoor) -> None:
    with listening(door, replace(QUICK, associations=1)) as port:
        inside = port.call()
        inside.associate()
        crowd = [port.call() for _ in range(60)]
        assert crowd[-1].is_over()
        inside.send(message(1, echo()))
        assert inside.pdu()[0] == 4
        for peer in (*crowd, inside):
            peer.close()


def test_a_stop_lets_the_message_under_way_finish(door: RecordingDoor) -> None:
    with listening(door) as port:
        peer = port.call()
        peer.associate()
        whole = message(3, store(), bytes(20_000))
        peer.send(whole[:-5000])
        assert door.begun.acquire(timeout=SECONDS)
        stop = threading.Thread(target=port.listener.stop, args=(SECONDS,))
        stop.start()
        peer.send(whole[-5000:])
        assert peer.pdu()[0] == 4
        assert peer.aborted() == BY_USER
        peer.close()
        stop.join(SECONDS)
        assert not stop.is_alive()
        assert len(door.messages) == 1
        assert isinstance(door.await_end(), ConnectionLost)


def test_a_stop_ends_what_is_idle_at_once(door: RecordingDoor) -> None:
    forever = replace(QUICK, negotiation_seconds=3600, network_seconds=3600, idle_seconds=3600)
    with listening(door, forever) as port:
        idle, silent = port.call(), port.call()
        idle.associate()
        silent.send(associate_rq()[:20])
        port.listener.stop(grace_seconds=3600)
        assert idle.aborted() == BY_USER
        assert silent.is_over()
        with pytest.raises(OSError):
            port.call()
        for peer in (idle, silent):
            peer.close()


def test_a_stop_waits_no_longer_than_it_may(door: RecordingDoor) -> None:
    with listening(door) as port:
        peer = port.call()
        peer.associate()
        peer.send(message(3, store(), bytes(20_000))[:-5000])
        assert door.begun.acquire(timeout=SECONDS)
        port.listener.stop(grace_seconds=MOMENT)
        assert peer.aborted() == BY_USER
        peer.close()
        assert isinstance(door.await_end(), ConnectionLost)


def test_a_fault_in_a_handler_ends_its_association_alone(door: RecordingDoor) -> None:
    def fail(association: Association, command: CommandSet) -> None:
        if command.message_id == 1:
            raise KeyError("a fault of ours")

    door.before_answer = fail
    with established(door) as (port, peer):
        other = port.call()
        other.associate()
        peer.send(message(1, echo(1)))
        assert peer.aborted() == BY_USER
        assert isinstance(port.complaint(), KeyError)
        other.send(message(1, echo(2)))
        assert other.pdu()[0] == 4
        other.close()


def test_whoever_releases_does_not_hold_the_place_open(door: RecordingDoor) -> None:
    with established(door) as (_, peer):
        peer.send(RELEASE_RQ)
        assert peer.pdu()[0] == 6
        peer.send(bytes(1_000_000))  # it goes on all the same; nobody reads it as messages
        peer.close()
        assert door.await_end() is None


def test_a_release_that_is_not_answered_ends_all_the_same() -> None:
    released: list[BaseException] = []

    class Asking(RecordingDoor):
        def serve(self, association: Association, caller: object) -> None:
            try:
                association.release()
            except (PeerSilent, ProtocolFault) as error:
                released.append(error)
            self.ended.release()

    door = Asking()
    with established(door, network_seconds=2 * MOMENT) as (_, peer):
        assert peer.pdu()[0] == 5
        stop = threading.Event()
        drip = threading.Thread(target=_drip, args=(peer, p_data(pdv(1, COMMAND | LAST, echo())), stop))
        drip.start()
        assert door.ended.acquire(timeout=SECONDS)
        stop.set()
        drip.join()
        assert [type(one) for one in released] == [PeerSilent]


@pytest.mark.parametrize("before", [b"", pdu(5), message(3, store(), bytes(100))], ids=["none", "collision", "data"])
def test_a_release_of_ours_is_answered(before: bytes) -> None:
    class Asking(RecordingDoor):
        def serve(self, association: Association, caller: object) -> None:
            association.release()
            self.ended.release()

    door = Asking()
    with established(door) as (port, peer):
        peer.send(before)
        assert peer.pdu()[0] == 5
        peer.send(pdu(6))
        if before == pdu(5):
            assert peer.pdu()[0] == 6
        assert door.ended.acquire(timeout=SECONDS)
        assert port.complaints() == []
