"""Whether a data set is the instance that its command says: seen in its first elements, while it passes."""

from __future__ import annotations

import struct

from diana_common.errors import DianaError, Reason

_SOP_CLASS_UID, _SOP_INSTANCE_UID = (0x0008, 0x0016), (0x0008, 0x0018)
_MOST_BYTES = 4096
_DEFLATED = "1.2.840.10008.1.2.1.99"
_IMPLICIT = "1.2.840.10008.1.2"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_LONG_VRS = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"})


class Identity:
    """Compares SOP Class and SOP Instance UID with the command's.

    What is not among the first bytes, or is deflated, is left to the archive.
    """

    def __init__(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str) -> None:
        self._expected = {_SOP_CLASS_UID: sop_class_uid, _SOP_INSTANCE_UID: sop_instance_uid}
        self._syntax = transfer_syntax
        self._start = b""
        self._is_done = transfer_syntax == _DEFLATED

    def look(self, piece: memoryview) -> None:
        """See the next bytes. Raises DianaError UID_INVALID."""
        if not self._is_done:
            self._start += piece[: _MOST_BYTES - len(self._start)]
            if len(self._start) == _MOST_BYTES:
                self.close()

    def close(self) -> None:
        """No more bytes come, or enough have. Raises DianaError UID_INVALID."""
        if self._is_done:
            return
        self._is_done = True
        for tag, found in _uids(self._start, self._syntax):
            if found != self._expected[tag]:
                raise DianaError(Reason.UID_INVALID, "The data set is another instance than the command says.")


def _uids(data: bytes, syntax: str) -> list[tuple[tuple[int, int], str]]:
    """The two UIDs, as far as they are there."""
    order = ">" if syntax == _BIG_ENDIAN else "<"
    found = []
    place = 0
    while place + 8 <= len(data):
        tag = struct.unpack_from(order + "HH", data, place)
        if tag > _SOP_INSTANCE_UID:
            break
        length, place = _length(data, place, order, is_implicit=syntax == _IMPLICIT)
        if tag in (_SOP_CLASS_UID, _SOP_INSTANCE_UID) and place + length <= len(data):
            found.append((tag, data[place : place + length].decode("ascii", "replace").strip("\0 ")))
        place += length
    return found


def _length(data: bytes, place: int, order: str, is_implicit: bool) -> tuple[int, int]:
    """An element's length and where its value begins. One of undefined length is beyond all that is looked at."""
    if is_implicit:
        return struct.unpack_from(order + "L", data, place + 4)[0], place + 8
    if data[place + 4 : place + 6] not in _LONG_VRS:
        return struct.unpack_from(order + "H", data, place + 6)[0], place + 8
    if place + 12 > len(data):
        return len(data), len(data)
    return struct.unpack_from(order + "L", data, place + 8)[0], place + 12
