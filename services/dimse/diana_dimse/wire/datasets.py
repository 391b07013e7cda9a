"""Data sets that are not objects (identifiers, attribute lists, event information): their bytes to DICOM JSON and back.

DICOM JSON (PS3.18 Annex F) is Unicode; bytes are in the character set that Specific Character Set (0008,0005) names.
So that attribute is the business of this module: `decode` leaves it in as what was declared, `encode` writes its own.
"""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from diana_common.dicomjson import DataSetJson
from diana_common.errors import invalid_field
from diana_common.header import Limits, scan_data_set
from diana_common.tags import vr_of
from diana_dimse.core.queries.identifiers import CHARACTER_SET
from diana_dimse.core.sop_classes import EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from diana_dimse.wire.repertoires import UTF_8, NotInRepertoire, Repertoire, repertoire

__all__ = ["CHARACTER_SET", "MOST_BYTES", "UTF_8", "decode", "encode"]

MOST_BYTES = 1024 * 1024
"""The longest identifier to read off a message."""

_LIMITS = Limits(max_depth=16, max_elements=100_000, inline_bytes=1024 * 1024)
_LONG_VRS = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "SQ", "UN", "UT", "UC", "UR", "SV", "UV"))
_ASCII_VRS = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"))
_VRS = _LONG_VRS | _ASCII_VRS | {"AT", "FD", "FL", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "UL", "US"}
_NUL_PADDED = frozenset(("UI", "OB", "UN"))
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_MOST_DS = 16
_ITEM = 0xFFFEE000
_SHORT_LENGTH = 0xFFFF


def decode(data: bytes, transfer_syntax: str) -> dict[str, Any]:
    """The DICOM JSON of a data set; text is Unicode, whatever it was declared as.

    Raises DianaError DATA_SET_TRUNCATED, DATA_SET_INVALID, DATA_SET_LIMIT. Wrong character sets give U+FFFD.
    """
    found: dict[str, Any] = json.loads(scan_data_set(data, transfer_syntax, _LIMITS))
    return found


def encode(data_set: DataSetJson, transfer_syntax: str, character_set: str = UTF_8) -> bytes:
    r"""The bytes of a data set, in Implicit or Explicit VR Little Endian or Explicit VR Big Endian.

    `character_set`: the defined terms to prefer, parted by `\`; where they cannot express every value it is
    ISO_IR 192. Specific Character Set is written where there is more than ASCII, and only then. Elements without a
    `vr` have the dictionary's; values by BulkDataURI are written empty. Raises DianaError INVALID_FIELD for what does
    not fit its VR.
    """
    own = {tag: element for tag, element in data_set.items() if tag != CHARACTER_SET}
    writer = _Writer(transfer_syntax, repertoire(UTF_8))
    try:
        plain = writer.data_set(own)
        if writer.is_ascii:
            return plain
        if (preferred := repertoire(character_set)) is not None and character_set != UTF_8:
            try:
                return _declared(own, transfer_syntax, character_set, preferred)
            except NotInRepertoire:
                pass
        return _declared(own, transfer_syntax, UTF_8, repertoire(UTF_8))
    except RecursionError:
        raise invalid_field("data_set", "is nested too deep") from None


def _declared(data_set: DataSetJson, transfer_syntax: str, terms: str, known: Repertoire | None) -> bytes:
    declaration = {CHARACTER_SET: {"vr": "CS", "Value": terms.split("\\")}}
    return _Writer(transfer_syntax, known).data_set({**data_set, **declaration})


class _Writer:
    """Writes elements in one encoding; `is_ascii` says whether all text was so far."""

    def __init__(self, transfer_syntax: str, known: Repertoire | None) -> None:
        self.is_ascii = True
        self._repertoire = known
        self._order = ">" if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
        self._is_implicit = transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN

    def data_set(self, data_set: DataSetJson, is_item: bool = False) -> bytes:
        tags = sorted(data_set)
        return b"".join([self._element(tag, data_set[tag]) for tag in tags if not is_item or tag != CHARACTER_SET])

    def _element(self, tag: str, element: Mapping[str, Any]) -> bytes:
        try:
            vr = element.get("vr") or vr_of(int(tag, 16))
            value = self._value(vr, element)
            return self._head(tag, vr, len(value)) + value
        except NotInRepertoire:
            raise
        except (ValueError, TypeError, AttributeError, KeyError, struct.error):
            raise invalid_field(tag if len(tag) == 8 else "data_set", "does not fit its VR") from None

    def _head(self, tag: str, vr: str, length: int) -> bytes:
        if self._is_implicit:
            return _tag_bytes(tag, "<") + struct.pack("<L", length)
        if vr not in _LONG_VRS and length <= _SHORT_LENGTH:
            return _start(tag, vr, self._order) + struct.pack(self._order + "H", length)
        # What is too long for its VR goes as UN (PS3.5 section 6.2.2).
        name = vr if vr in _LONG_VRS else "UN"
        return _start(tag, name, self._order) + struct.pack(self._order + "xxL", length)

    def _value(self, vr: str, element: Mapping[str, Any]) -> bytes:
        values = element.get("Value")
        if not values:
            return self._binary(vr, element.get("InlineBinary") or "")
        if vr == "SQ":
            return b"".join(map(self._item, values))
        if vr in _NUMBERS:
            return struct.pack(f"{self._order}{len(values)}{_NUMBERS[vr]}", *map(_PARSERS[vr], values))
        if vr == "AT":
            return b"".join([_tag_bytes(value, self._order) for value in values])
        text = "\\".join([_TEXTS.get(vr, _text)(value) for value in values])
        data = self._encoded(text, vr)
        return data if not len(data) & 1 else data + (b"\0" if vr in _NUL_PADDED else b" ")

    def _encoded(self, text: str, vr: str) -> bytes:
        if text.isascii():
            return text.encode("ascii")
        if vr in _ASCII_VRS or self._repertoire is None:
            return text.encode("ascii", "replace")
        self.is_ascii = False
        return self._repertoire.encode(text, is_name=vr == "PN")

    def _binary(self, vr: str, text: str) -> bytes:
        data = b64decode(text)
        size = _WORD_BYTES.get(vr, 1)
        if self._order == ">" and size > 1:
            data = b"".join([data[place : place + size][::-1] for place in range(0, len(data), size)])
        return data if not len(data) & 1 else data + b"\0"

    def _item(self, item: DataSetJson) -> bytes:
        data = self.data_set(item or {}, is_item=True)
        return _tag_bytes(f"{_ITEM:08X}", self._order) + struct.pack(self._order + "L", len(data)) + data


@lru_cache(4096)
def _tag_bytes(tag: str, order: str) -> bytes:
    if len(tag) != 8:
        raise ValueError("a tag has eight digits")
    return struct.pack(order + "HH", int(tag[:4], 16), int(tag[4:], 16))


@lru_cache(4096)
def _start(tag: str, vr: str, order: str) -> bytes:
    if vr not in _VRS:
        raise ValueError("no VR is called so")
    return _tag_bytes(tag, order) + vr.encode("ascii")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _name(value: Any) -> str:
    if not isinstance(value, Mapping):
        return _text(value)
    return "=".join([_text(value.get(group)) for group in _NAME_GROUPS]).rstrip("=")


def _integer_string(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else _text(value)


def _decimal_string(value: Any) -> str:
    text = _integer_string(value)
    if len(text) <= _MOST_DS or not isinstance(value, float):
        return text
    return next(short for digits in range(_MOST_DS, 0, -1) if len(short := f"{value:.{digits}g}") <= _MOST_DS)


_TEXTS: Mapping[str, Callable[[Any], str]] = {"PN": _name, "IS": _integer_string, "DS": _decimal_string}
_PARSERS: Mapping[str, Callable[[Any], Any]] = {vr: float if vr in ("FL", "FD") else int for vr in _NUMBERS}
