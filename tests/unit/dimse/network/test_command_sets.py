"""Command sets (PS3.7 section 6.3.1), written and read."""

from __future__ import annotations

import random
import struct
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode as pynetdicom_decode

from diana_dimse.network.commands import CommandSet, Operation, Priority, decode, encode, request, response
from diana_dimse.network.faults import ProtocolFault
from tests.unit.dimse.network.upper_layer import CT, store


def element(number: int, value: bytes, group: int = 0, length: int | None = None) -> bytes:
    return struct.pack("<HHL", group, number, len(value) if length is None else length) + value


FIELD, NO_DATA = element(0x0100, b"\x30\0"), element(0x0800, b"\1\1")
FULL = CommandSet(
    Operation.C_MOVE,
    message_id=7,
    affected_sop_class_uid="1.2.840.10008.5.1.4.1.2.2.2",
    affected_sop_instance_uid="1.2.3",
    move_destination="A TITLE",
    move_originator_title="ANOTHER",
    move_originator_message_id=65535,
    priority=Priority.LOW,
    error_comment="odd",
    remaining_suboperations=0,
    completed_suboperations=1,
    failed_suboperations=2,
    warning_suboperations=3,
    status=0xFF00,
)


def test_what_is_written_is_read() -> None:
    assert decode(encode(FULL)) == FULL


def test_pynetdicom_reads_the_same() -> None:
    data = encode(FULL)
    found: Dataset = pynetdicom_decode(BytesIO(data), True, True)
    assert found.CommandGroupLength == len(data) - 12
    assert (found.MoveDestination, found.MessageID, found.Priority) == ("A TITLE", 7, 2)
    assert [one.tag for one in found] == sorted(one.tag for one in found)
    assert all(len(one) % 2 == 0 for one in (element(0, b""), data))


def test_an_answer_belongs_to_its_request() -> None:
    asked = request(Operation.C_STORE, 5, has_data_set=True, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2")
    answer = response(asked, 0xA700, error_comment="later")
    assert (answer.command_field, answer.message_id_being_responded_to, answer.is_response) == (0x8001, 5, True)
    assert (answer.affected_sop_class_uid, answer.affected_sop_instance_uid) == (CT, "1.2")
    assert (answer.operation, answer.has_data_set, answer.status) == (Operation.C_STORE, False, 0xA700)


def test_any_other_data_set_type_than_none_is_a_data_set() -> None:
    assert decode(FIELD + element(0x0800, b"\0\0")).has_data_set
    assert not decode(FIELD + NO_DATA).has_data_set


def test_unknown_elements_odd_padding_and_no_group_length_are_let_pass() -> None:
    assert decode(element(0x0002, b"1.2 ") + FIELD + element(0x5010, b"xy") + NO_DATA).affected_sop_class_uid == "1.2"


def test_a_cancellation_is_no_response() -> None:
    found = decode(element(0x0100, b"\xff\x0f") + element(0x0120, b"\4\0") + NO_DATA)
    assert (found.operation, found.message_id_being_responded_to) == (Operation.C_CANCEL, 4)


def test_a_comment_is_no_longer_than_its_representation_allows() -> None:
    assert len(decode(encode(CommandSet(1, error_comment="x" * 900))).error_comment or "") == 64


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        FIELD,
        NO_DATA,
        FIELD + NO_DATA[:-1],
        FIELD + NO_DATA + b"\0",
        FIELD + NO_DATA + element(0x0010, b"", group=8),
        element(0x0100, b"\x30") + NO_DATA,
        element(0x0100, b"\x30\0\0\0") + NO_DATA,
        element(0x0100, b"") + NO_DATA,
        FIELD + element(0x0800, b""),
        FIELD + NO_DATA + element(0x1000, b"1.2", length=0xFFFFFFFF),
        FIELD + NO_DATA + element(0x1000, b"1.2", length=4),
    ],
)
def test_what_is_no_command_set_is_told(bad: bytes) -> None:
    with pytest.raises(ProtocolFault):
        decode(bad)


def test_nothing_makes_the_reader_fail_otherwise() -> None:
    dice = random.Random(7)
    for _ in range(3000):
        data = bytearray(store())
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.choice((0, 1, 0xFF, dice.randrange(256)))
        try:
            decode(bytes(data[: dice.choice((len(data), dice.randrange(len(data))))]))
        except ProtocolFault:
            continue
