"""From attributes by keyword to Part 10 files, as Explicit VR Little Endian (PS3.5 section 7.1).

Written for speed: what is the same in a series is encoded once, and an instance joins it with what differs.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian

from diana_common.implementation import IMPLEMENTATION_CLASS_UID

Attributes = Mapping[str, Any]
"""Values by keyword of PS3.6: text, numbers, bytes, lists of them, and lists of Attributes for sequences.

None and "" are an empty value (type 2).
"""

Elements = dict[int, bytes]
"""Encoded elements by tag."""

_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
_TEXTS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Those that Specific Character Set is about."""


def codec(charset: str) -> str:
    """Python's name for a Specific Character Set of one value. Raises KeyError for one that is not known."""
    return "ascii" if charset in ("", "ISO_IR 6") else python_encoding[charset]


def encode(attributes: Attributes, charset: str) -> Elements:
    """Each attribute as an encoded element. Raises KeyError for a keyword that PS3.6 does not have."""
    return dict(_element(keyword, value, charset) for keyword, value in attributes.items())


def part10(elements: Elements, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """A file of these elements, with its File Meta Information (PS3.10 section 7.1)."""
    return _meta(sop_class_uid, sop_instance_uid) + b"".join([elements[tag] for tag in sorted(elements)])


def raw(tag: int, vr: str, value: bytes) -> bytes:
    """One element of any VR, its value as it is."""
    padded = value + b"\0" * (len(value) % 2)
    return _head(tag, vr) + _length(vr, len(padded)) + padded


def _element(keyword: str, value: Any, charset: str) -> tuple[int, bytes]:
    tag, vr, head = _known(keyword)
    data = _value(vr, value, charset)
    return tag, head + _length(vr, len(data)) + data


@cache
def _known(keyword: str) -> tuple[int, str, bytes]:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    vr = {"US or SS": "US", "OB or OW": "OW"}.get(dictionary_VR(tag), dictionary_VR(tag))
    return tag, vr, _head(tag, vr)


def _head(tag: int, vr: str) -> bytes:
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode("ascii")


def _length(vr: str, size: int) -> bytes:
    return struct.pack("<2xL", size) if vr in _LONG else struct.pack("<H", size)


def _value(vr: str, value: Any, charset: str) -> bytes:
    if value is None or value == "":
        return b""
    if vr == "SQ":
        return b"".join(_item(one, charset) for one in value)
    if isinstance(value, bytes):
        return value + b"\0" * (len(value) % 2)
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    if vr in _NUMBERS:
        return struct.pack(f"<{len(values)}{_NUMBERS[vr]}", *values)
    if vr == "AT":
        return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in values)
    text = "\\".join(map(_text, values)).encode(codec(charset) if vr in _TEXTS else "ascii")
    return text + (b"\0" if vr == "UI" else b" ") * (len(text) % 2)


def _text(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _item(attributes: Attributes, charset: str) -> bytes:
    elements = encode(attributes, charset)
    data = b"".join([elements[tag] for tag in sorted(elements)])
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(data)) + data


def _meta(sop_class_uid: str, sop_instance_uid: str) -> bytes:
    elements = encode(
        {
            "FileMetaInformationVersion": b"\0\1",
            "MediaStorageSOPClassUID": sop_class_uid,
            "MediaStorageSOPInstanceUID": sop_instance_uid,
            "TransferSyntaxUID": ExplicitVRLittleEndian,
            "ImplementationClassUID": IMPLEMENTATION_CLASS_UID,
            "ImplementationVersionName": "DIANA_MOCK",
        },
        "ISO_IR 6",
    )
    body = b"".join(elements.values())
    return bytes(128) + b"DICM" + b"".join(encode({"FileMetaInformationGroupLength": len(body)}, "").values()) + body
