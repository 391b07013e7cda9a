"""How a data set is cut into Presentation Data Values (PS3.8 section 9.3.5.1)."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from diana_dimse.network.association import Association
from diana_dimse.network.commands import Operation, request
from diana_dimse.network.connection import Connection
from diana_dimse.network.negotiation import Agreed

DATA = bytes(range(256)) * 40


def sent(pieces: list[bytes], max_pdu_bytes: int) -> list[tuple[int, int, bytes]]:
    """Control header, PDU length and bytes of each fragment of a message with this data set."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    read = bytearray()

    def take() -> None:
        while piece := theirs.recv(1 << 16):
            read.extend(piece)

    taking = threading.Thread(target=take)
    taking.start()
    with theirs, ours:
        association = Association(PlainConnection(ours), Agreed("A", "B", {}, max_pdu_bytes), 10)
        association.send(1, request(Operation.C_STORE, 1, has_data_set=True), pieces)
        ours.shutdown(socket.SHUT_WR)
        taking.join(10)
    return list(fragments(bytes(read)))


class PlainConnection(Connection):
    """One without TCP's options."""

    def __init__(self, sock: socket.socket) -> None:
        self.seconds = 10.0
        self._sock = sock
        self._is_tls = False


def fragments(data: bytes) -> list[tuple[int, int, bytes]]:
    found = []
    while data:
        kind, length = struct.unpack_from(">BxL", data)
        value, _, control = struct.unpack_from(">LBB", data, 6)
        assert (kind, value) == (4, length - 4)
        found.append((control, length, data[12 : 6 + length]))
        data = data[6 + length :]
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 255, 1001, 4096, 100_000])
@pytest.mark.parametrize("max_pdu_bytes", [0, 4096, 4097, 16_384])
def test_fragments_are_even_and_no_longer_than_the_peer_takes(size: int, max_pdu_bytes: int) -> None:
    found = sent([DATA[start : start + size] for start in range(0, len(DATA), size)], max_pdu_bytes)
    command, *data = found
    assert command[0] == 3
    assert [control for control, _, _ in data] == [0] * (len(data) - 1) + [2]
    assert b"".join(value for _, _, value in data) == DATA
    assert not any(len(value) % 2 for _, _, value in found)
    assert not max_pdu_bytes or max(length for _, length, _ in found) <= max_pdu_bytes


@pytest.mark.parametrize("pieces", [[], [b""], [b"", b""]])
def test_a_data_set_of_no_bytes_has_a_last_fragment(pieces: list[bytes]) -> None:
    assert [(control, value) for control, _, value in sent(pieces, 0)[1:]] == [(2, b"")]


def test_empty_pieces_change_nothing() -> None:
    assert b"".join(value for _, _, value in sent([b"", b"abc", b"", b"", b"d", b""], 0)[1:]) == b"abcd"
