"""The items of an A-ASSOCIATE PDU (PS3.8 section 9.3.2), counted before anything is made of them.

pynetdicom makes objects of each: a request of nothing but empty items would cost seconds and tens of megabytes.
"""

from __future__ import annotations

import struct

from diana_dimse.network.faults import ProtocolFault

_HEADER = struct.Struct(">BxH")
_FIXED_BYTES = 74  # the PDU's header and the fields before its items
_PRESENTATION_CONTEXTS, _USER_INFORMATION = (0x20, 0x21), 0x50
_MOST_ITEMS = 10_000  # 128 presentation contexts, each with all transfer syntaxes there are, and as many roles


def check_items(pdu: bytes) -> None:
    """Raises ProtocolFault where items are too many, or one ends elsewhere than what it lies in."""
    count = 0
    for kind, start, end in _items(pdu, _FIXED_BYTES, len(pdu)):
        count += 1
        if kind in _PRESENTATION_CONTEXTS:
            start += 4
        elif kind != _USER_INFORMATION:
            continue
        count += len(_items(pdu, start, end))
        if count > _MOST_ITEMS:
            raise ProtocolFault("an association's items are too many")


def _items(pdu: bytes, place: int, end: int) -> list[tuple[int, int, int]]:
    """Type, start and end of the content, of each item."""
    found: list[tuple[int, int, int]] = []
    while place < end:
        if end - place < _HEADER.size or len(found) > _MOST_ITEMS:
            raise ProtocolFault("an association's items are too many, or end within one")
        kind, length = _HEADER.unpack_from(pdu, place)
        place += _HEADER.size
        if length > end - place:
            raise ProtocolFault("an association has an item that ends past what it lies in")
        found.append((kind, place, place + length))
        place += length
    return found
