"""Fields of messages put together as bytes, in protobuf's wire format, for answers that carry much data.

A message object would take a copy of the data, and its encoder, which lets its buffer grow as it goes, several more.
A servicer may return such bytes in place of a message.
"""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor

_VARINT, _LENGTH = 0, 2  # wire types


def number_key(message: Descriptor, field: str) -> bytes:
    """What stands before a number or a bool on the wire; the number follows, as a `varint`."""
    return varint(message.fields_by_name[field].number << 3 | _VARINT)


def length_key(message: Descriptor, field: str) -> bytes:
    """What stands before bytes, a string or a message on the wire; its length follows, as a `varint`."""
    return varint(message.fields_by_name[field].number << 3 | _LENGTH)


def varint(value: int) -> bytes:
    """A number that is not negative, seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
