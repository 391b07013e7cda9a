"""Messages however they are cut into PDUs (PS3.8 section 9.3.5), and ends in the midst of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from diana_dimse.network.faults import ConnectionLost, PeerAborted, ProtocolFault
from tests.unit.dimse.network.upper_layer import (
    ABORT,
    COMMAND,
    LAST,
    RELEASE_RP,
    RELEASE_RQ,
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
    user_item,
)

DATA = bytes(range(256)) * 40
UNEXPECTED_PDU, UNEXPECTED_PARAMETER, INVALID_PARAMETER = (2, 2), (2, 5), (2, 6)


@pytest.fixture
def door() -> RecordingDoor:
    return RecordingDoor()


@pytest.fixture
def port(door: RecordingDoor) -> Iterator[Port]:
    with listening(door) as port:
        yield port


@pytest.fixture
def peer(port: Port) -> Iterator[Peer]:
    peer = port.call()
    peer.associate()
    yield peer
    peer.close()


def answered(peer: Peer, count: int = 1) -> None:
    for _ in range(count):
        kind, body = peer.pdu()
        assert (kind, body[5]) == (4, COMMAND | LAST)


def released(peer: Peer) -> None:
    peer.send(RELEASE_RQ)
    assert peer.pdu() == (6, bytes(4))
    assert peer.is_over()
    peer.close()


def test_bytes_that_come_one_by_one_are_a_message_all_the_same(port: Port, door: RecordingDoor) -> None:
    peer = port.call()
    for byte in associate_rq():
        peer.send(bytes((byte,)))
    assert peer.pdu()[0] == 2
    for byte in message(3, store(), DATA[:100]) + RELEASE_RQ:
        peer.send(bytes((byte,)))
    answered(peer)
    assert peer.pdu()[0] == 6
    peer.close()
    assert [data for _, data in door.messages] == [DATA[:100]]
    assert door.await_end() is None


@pytest.mark.parametrize("most", [7, 128, 4096, 16384])
def test_a_message_is_cut_into_pdus_of_any_size(peer: Peer, door: RecordingDoor, most: int) -> None:
    peer.send(message(3, store(), DATA, most))
    answered(peer)
    assert door.messages[0][1] == DATA
    assert door.messages[0][0].affected_sop_instance_uid == "1.2.3.4"
    released(peer)


def test_a_pdu_longer_than_the_agreed_most_is_taken_in_pieces(peer: Peer, door: RecordingDoor) -> None:
    peer.send(message(3, store(), DATA * 100, most=2_000_000))
    answered(peer)
    assert door.messages[0][1] == DATA * 100


def test_several_messages_come_in_one_pdu(peer: Peer, door: RecordingDoor) -> None:
    values = [pdv(3, COMMAND | LAST, store(1)), pdv(3, 0, b"ab"), pdv(3, LAST, b"cd")]
    peer.send(p_data(*values, pdv(1, COMMAND | LAST, echo(2)), pdv(3, COMMAND | LAST, store(3)), pdv(3, LAST, b"ef")))
    answered(peer, 3)
    assert [(command.message_id, data) for command, data in door.messages] == [(1, b"abcd"), (2, b""), (3, b"ef")]


def test_messages_are_sent_on_before_answers_come(peer: Peer, door: RecordingDoor) -> None:
    peer.send(b"".join(message(3, store(one), DATA) for one in range(1, 9)), RELEASE_RQ)
    answered(peer, 8)
    assert peer.pdu()[0] == 6
    assert [command.message_id for command, _ in door.messages] == list(range(1, 9))


def test_empty_fragments_are_passed_over(peer: Peer, door: RecordingDoor) -> None:
    command = store()
    halves = [pdv(3, COMMAND, b""), pdv(3, COMMAND, command[:30]), pdv(3, COMMAND, b""), pdv(3, COMMAND, command[30:])]
    peer.send(p_data(*halves, pdv(3, COMMAND | LAST, b"")))
    peer.send(p_data(pdv(3, 0, b"")) * 900, p_data(pdv(3, 0, b"abcd")), p_data(pdv(3, LAST, b"")))
    answered(peer)
    assert door.messages[0][1] == b"abcd"


def test_an_empty_data_set_is_one(peer: Peer, door: RecordingDoor) -> None:
    peer.send(message(3, store(), b""))
    answered(peer)
    assert door.messages[0][1] == b""


def test_what_a_handler_did_not_read_is_passed_over(port: Port, door: RecordingDoor) -> None:
    served = []

    def serve(association, caller):  # type: ignore[no-untyped-def]
        while (one := association.receive()) is not None:
            served.append(one.command.message_id)

    door.serve = serve  # type: ignore[method-assign]
    peer = port.call()
    peer.associate()
    peer.send(message(3, store(1), DATA * 50), message(3, store(2), DATA), RELEASE_RQ)
    assert peer.pdu()[0] == 6
    assert served == [1, 2]


@pytest.mark.parametrize("most", [64, 4096])
def test_answers_are_no_longer_than_the_peer_takes(port: Port, door: RecordingDoor, most: int) -> None:
    def serve(association, caller):  # type: ignore[no-untyped-def]
        one = association.receive()
        association.send(one.context.context_id, one.command, iter([DATA, b"", DATA[:3]]))
        association.receive()

    door.serve = serve  # type: ignore[method-assign]
    peer = port.call()
    peer.associate(associate_rq(user=user_item(max_pdu=most)))
    peer.send(message(3, store(), b""))
    came, control = b"", 0
    while control != LAST:
        kind, body = peer.pdu()
        control = body[5]
        assert kind == 4
        assert len(body) <= max(most, 70)
        came += b"" if control & COMMAND else body[6:]
    assert came == DATA + DATA[:3]
    released(peer)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (p_data(pdv(3, LAST, b"ab")), UNEXPECTED_PARAMETER),
        (p_data(pdv(5, COMMAND | LAST, echo())), INVALID_PARAMETER),
        (p_data(), INVALID_PARAMETER),
        (p_data(b"\0\0\0"), INVALID_PARAMETER),
        (p_data(pdv(1, COMMAND | LAST, echo(), length=1)), INVALID_PARAMETER),
        (p_data(pdv(1, COMMAND | LAST, echo(), length=len(echo()) + 3)), INVALID_PARAMETER),
        (p_data(pdv(1, COMMAND | LAST, echo(), length=0xFFFFFFFF)), INVALID_PARAMETER),
        (p_data(pdv(1, COMMAND | LAST, echo()[:-1])), INVALID_PARAMETER),
        (p_data(pdv(1, COMMAND | LAST, b"")), INVALID_PARAMETER),
        (p_data(pdv(3, COMMAND, store()[:20]), pdv(1, COMMAND | LAST, store()[20:])), UNEXPECTED_PARAMETER),
        (p_data(pdv(3, COMMAND | LAST, store()), pdv(3, COMMAND | LAST, echo())), UNEXPECTED_PARAMETER),
        (p_data(pdv(3, COMMAND | LAST, store()), pdv(1, LAST, b"ab")), UNEXPECTED_PARAMETER),
        (p_data(pdv(3, COMMAND, b"")) * 2000, INVALID_PARAMETER),
        (p_data(pdv(3, COMMAND | LAST, store())) + p_data(pdv(3, 0, b"")) * 2000, INVALID_PARAMETER),
        (p_data(pdv(3, COMMAND, bytes(30_000))) * 3, INVALID_PARAMETER),
        (message(3, store(), None) + RELEASE_RQ, UNEXPECTED_PDU),
        (associate_rq(), UNEXPECTED_PDU),
        (pdu(2), UNEXPECTED_PDU),
        (RELEASE_RP, UNEXPECTED_PDU),
        (pdu(8), (2, 1)),
        (b"GET / HTTP/1.1\r\n\r\n", (2, 1)),
        (pdu(5, bytes(5)), INVALID_PARAMETER),
        (pdu(7, b"", length=0xFFFFFFFF), INVALID_PARAMETER),
    ],
    ids=lambda value: "" if isinstance(value, tuple) else None,
)
def test_what_breaks_the_protocol_is_answered_with_an_abort_of_the_provider(
    port: Port, peer: Peer, door: RecordingDoor, bad: bytes, reason: tuple[int, int]
) -> None:
    peer.send(bad)
    assert peer.aborted() == reason
    peer.close()
    assert isinstance(door.await_end(), ProtocolFault)
    again = port.call()
    again.associate()
    again.send(message(1, echo()))
    answered(again)
    again.close()


def test_an_abort_ends_it_at_once(peer: Peer, door: RecordingDoor) -> None:
    peer.send(ABORT)
    assert peer.is_over()
    assert isinstance(door.await_end(), PeerAborted)


def test_an_abort_in_mid_data_ends_it(peer: Peer, door: RecordingDoor) -> None:
    peer.send(message(3, store(), DATA, 4096)[:-6000], ABORT)  # the bytes of the abort lie within a value
    peer.close()
    assert isinstance(door.await_end(), ConnectionLost)
    assert door.messages == []


def test_an_abort_between_fragments_ends_it(peer: Peer, door: RecordingDoor) -> None:
    peer.send(p_data(pdv(3, COMMAND | LAST, store())), p_data(pdv(3, 0, DATA)), ABORT)
    assert peer.is_over()
    assert isinstance(door.await_end(), PeerAborted)
    assert door.messages == []


@pytest.mark.parametrize("cut", [1, 5, 6, 9, 12, 40, -1])
def test_a_connection_that_closes_anywhere_ends_it(peer: Peer, door: RecordingDoor, cut: int) -> None:
    peer.send(message(3, store(), DATA)[:cut])
    peer.close()
    assert isinstance(door.await_end(), ConnectionLost)
    assert door.messages == []


def test_a_release_and_nothing_more(peer: Peer, door: RecordingDoor) -> None:
    released(peer)
    assert door.await_end() is None


def test_odd_bits_of_the_control_header_are_not_looked_at(peer: Peer, door: RecordingDoor) -> None:
    peer.send(p_data(pdv(1, COMMAND | LAST | 0xF0, echo())))
    answered(peer)
