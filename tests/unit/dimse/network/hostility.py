"""Sessions that went well once, and what hostile hands make of them: the same for the same seed."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from tests.unit.dimse.network.upper_layer import (
    ABORT,
    CT,
    EXPLICIT,
    IMPLICIT,
    RELEASE_RQ,
    associate_rq,
    context_item,
    echo,
    extended_item,
    item,
    message,
    p_data,
    pdv,
    role_item,
    store,
    user_item,
)

INSTANCE = (
    struct.pack("<HH2sH", 8, 0x16, b"UI", 26) + CT.encode() + b"\0" + struct.pack("<HH2sH", 8, 0x18, b"UI", 8)
    + b"1.2.3.4\0" + struct.pack("<HH2sH", 0x10, 0x20, b"LO", 600) + b"x" * 600
)  # fmt: skip


def good_sessions() -> list[bytes]:
    """From the request to the release, each of another kind."""
    many = [context_item(one, f"1.2.840.10008.5.1.4.1.1.{one}", EXPLICIT, IMPLICIT) for one in range(1, 257, 2)]
    user = user_item(
        role_item(CT, 1, 1),
        extended_item(CT, b"\1\0\1"),
        item(0x53, struct.pack(">HH", 1, 1)),
        item(0x58, b"\2\1" + b"\0\4user" + b"\0\6secret"),
        max_pdu=128,
    )
    mixed = p_data(pdv(3, 3, store(1)), pdv(3, 0, INSTANCE[:50]), pdv(3, 2, INSTANCE[50:]), pdv(1, 3, echo(2)))
    return [
        associate_rq() + message(1, echo()) + RELEASE_RQ,
        associate_rq(user=user) + message(3, store(), INSTANCE) + message(3, store(2), INSTANCE, 64) + RELEASE_RQ,
        associate_rq(*many, user=user) + message(5, echo()) + RELEASE_RQ,
        associate_rq() + mixed + ABORT,
    ]


_LIES = [struct.pack(">L", one) for one in (0, 1, 5, 7, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)]
_LIES += [struct.pack("<L", one) for one in (1, 0xFFFF, 0x10000)] + [b"\xff\xff", b"\0\0", b"\0\1"]


def _flip(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.randint(1, 8)):
        data[dice.randrange(len(data))] = dice.randrange(256)


def _lie(data: bytearray, dice: random.Random) -> None:
    lie = dice.choice(_LIES)
    place = dice.randrange(len(data))
    data[place : place + len(lie)] = lie


def _lie_at_the_start_of_a_pdu(data: bytearray, dice: random.Random) -> None:
    starts, place = [], 0
    while place + 6 <= len(data):
        starts.append(place)
        place += 6 + struct.unpack_from(">L", data, place + 2)[0]
    place = dice.choice(starts) + dice.choice((0, 2, 6, 10, 12, 16))
    lie = dice.choice(_LIES)
    data[place : place + len(lie)] = lie


def _cut(data: bytearray, dice: random.Random) -> None:
    place = dice.randrange(len(data))
    del data[place : place + dice.randint(1, 40)]


def _repeat(data: bytearray, dice: random.Random) -> None:
    place = dice.randrange(len(data))
    piece = data[place : place + dice.randint(1, 200)]
    data[place:place] = piece * dice.randint(1, 50)


def _insert(data: bytearray, dice: random.Random) -> None:
    place = dice.randrange(len(data))
    data[place:place] = dice.randbytes(dice.randint(1, 300))


def _end(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def _replace(data: bytearray, dice: random.Random) -> None:
    data[dice.choice((0, 6, 74, 200)) :] = dice.randbytes(dice.randint(1, 2000))


_MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    _flip, _flip, _lie, _lie, _lie_at_the_start_of_a_pdu, _cut, _repeat, _insert, _end, _replace,
]  # fmt: skip


def hostile_session(dice: random.Random, good: list[bytes]) -> bytes:
    """A session as it should not be."""
    data = bytearray(dice.choice(good))
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        dice.choice(_MUTATIONS)(data, dice)
        if len(data) < 20:
            break
    return bytes(data)
