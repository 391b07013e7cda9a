"""Command sets (PS3.7 section 6.3.1, Annex E): group 0000 in Implicit VR Little Endian."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from diana_dimse.network.faults import ProtocolFault

NO_DATA_SET = 0x0101
"""Command Data Set Type (0000,0800) of a message without a data set; any other value means that there is one."""

_DATA_SET = 0x0001
_RESPONSE = 0x8000
_HEADER = struct.Struct("<HHL")


class Operation(IntEnum):
    """The Command Field (0000,0100) of a request; its response has the highest bit set (PS3.7 Table E.1-1)."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    N_DELETE = 0x0150
    C_CANCEL = 0x0FFF


class Priority(IntEnum):
    """Priority (0000,0700)."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2


@dataclass(frozen=True, slots=True)
class CommandSet:
    """A message's command. What the message does not have is None; UIDs and titles come without padding."""

    command_field: int
    message_id: int | None = None
    message_id_being_responded_to: int | None = None
    affected_sop_class_uid: str | None = None
    requested_sop_class_uid: str | None = None
    affected_sop_instance_uid: str | None = None
    requested_sop_instance_uid: str | None = None
    move_destination: str | None = None
    move_originator_title: str | None = None
    move_originator_message_id: int | None = None
    priority: int | None = None
    data_set_type: int = NO_DATA_SET
    status: int | None = None
    error_comment: str | None = None
    error_id: int | None = None
    event_type_id: int | None = None
    attribute_identifiers: tuple[str, ...] | None = None
    """Tags, as 0020000D, of an N-GET's Attribute Identifier List."""

    action_type_id: int | None = None
    remaining_suboperations: int | None = None
    completed_suboperations: int | None = None
    failed_suboperations: int | None = None
    warning_suboperations: int | None = None

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows."""
        return self.data_set_type != NO_DATA_SET

    @property
    def is_response(self) -> bool:
        """Whether it answers a request."""
        return bool(self.command_field & _RESPONSE)

    @property
    def operation(self) -> int:
        """The operation asked for or answered: one of `Operation`, unless the peer made one up."""
        return self.command_field if self.command_field == Operation.C_CANCEL else self.command_field & ~_RESPONSE


def request(operation: Operation, message_id: int, *, has_data_set: bool = False, **parts: Any) -> CommandSet:
    """A request's command."""
    return CommandSet(operation, message_id, data_set_type=_DATA_SET if has_data_set else NO_DATA_SET, **parts)


def response(asked: CommandSet, status: int, *, has_data_set: bool = False, **parts: Any) -> CommandSet:
    """The command that answers `asked`: same operation, SOP Class and SOP Instance."""
    return CommandSet(
        asked.operation | _RESPONSE,
        message_id_being_responded_to=asked.message_id,
        affected_sop_class_uid=asked.affected_sop_class_uid or asked.requested_sop_class_uid,
        affected_sop_instance_uid=asked.affected_sop_instance_uid or asked.requested_sop_instance_uid,
        data_set_type=_DATA_SET if has_data_set else NO_DATA_SET,
        status=status,
        **parts,
    )


# Element number: the field and how its value is written: number (US), UID (UI), tags (AT), title or text (AE, LO).
_ELEMENTS: Mapping[int, tuple[str, str]] = {
    0x0002: ("affected_sop_class_uid", "UI"),
    0x0003: ("requested_sop_class_uid", "UI"),
    0x0100: ("command_field", "US"),
    0x0110: ("message_id", "US"),
    0x0120: ("message_id_being_responded_to", "US"),
    0x0600: ("move_destination", "AE"),
    0x0700: ("priority", "US"),
    0x0800: ("data_set_type", "US"),
    0x0900: ("status", "US"),
    0x0902: ("error_comment", "LO"),
    0x0903: ("error_id", "US"),
    0x1000: ("affected_sop_instance_uid", "UI"),
    0x1001: ("requested_sop_instance_uid", "UI"),
    0x1002: ("event_type_id", "US"),
    0x1005: ("attribute_identifiers", "AT"),
    0x1008: ("action_type_id", "US"),
    0x1020: ("remaining_suboperations", "US"),
    0x1021: ("completed_suboperations", "US"),
    0x1022: ("failed_suboperations", "US"),
    0x1023: ("warning_suboperations", "US"),
    0x1030: ("move_originator_title", "AE"),
    0x1031: ("move_originator_message_id", "US"),
}
_MOST_COMMENT = 64


def encode(command: CommandSet) -> bytes:
    """The command set's bytes, its group length first."""
    body = b"".join(
        _element(number, kind, value)
        for number, (name, kind) in _ELEMENTS.items()
        if (value := getattr(command, name)) is not None
    )
    return _HEADER.pack(0, 0, 4) + struct.pack("<L", len(body)) + body


def decode(data: bytes) -> CommandSet:
    """The command of a message. Elements that no field stands for are passed over. Raises ProtocolFault."""
    found: dict[str, Any] = {}
    place, end = 0, len(data)
    while place < end:
        if end - place < _HEADER.size:
            raise ProtocolFault("a command set ends within an element")
        group, number, length = _HEADER.unpack_from(data, place)
        place += _HEADER.size
        if group or length > end - place:
            raise ProtocolFault("a command set has an element of another group, or past its end")
        if known := _ELEMENTS.get(number):
            found[known[0]] = _value(known[1], data[place : place + length])
        place += length
    if found.get("command_field") is None:
        raise ProtocolFault("a command set has no Command Field")
    if found.get("data_set_type") is None:
        raise ProtocolFault("a command set has no Command Data Set Type")
    return CommandSet(**found)


def _element(number: int, kind: str, value: Any) -> bytes:
    if kind == "US":
        data = struct.pack("<H", value)
    elif kind == "AT":
        data = b"".join(struct.pack("<HH", int(tag[:4], 16), int(tag[4:], 16)) for tag in value)
    else:
        data = value.encode("ascii", "replace")[:_MOST_COMMENT]
        if len(data) % 2:
            data += b"\0" if kind == "UI" else b" "
    return _HEADER.pack(0, number, len(data)) + data


def _value(kind: str, data: bytes) -> int | str | tuple[str, ...] | None:
    if kind == "AT":
        if len(data) % 4:
            raise ProtocolFault("a list of tags in a command set ends within one")
        return tuple(f"{group:04X}{number:04X}" for group, number in struct.iter_unpack("<HH", data))
    if kind != "US":
        return data.decode("ascii", "replace").strip("\0 ")
    if not data:
        return None
    if len(data) != 2:
        raise ProtocolFault("a number in a command set has another length than 2")
    return int.from_bytes(data, "little")
