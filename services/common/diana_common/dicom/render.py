"""A value's bytes to the text of its DICOM JSON (PS3.18 Annex F), one function a kind of VR.

Each renderer returns what follows `{"vr":"XX"` in the element's object: empty for an empty value. They never
fail on text; `BadLength` means that the length does not fit the VR.
"""

from __future__ import annotations

import math
import re
from binascii import b2a_base64
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring
from struct import Struct, calcsize

from diana_common.dicom.charset import Repertoire

Renderer = Callable[[bytes, Repertoire], str]

PADDING = " \0"
"""What fills a value up to an even length (PS3.5 6.2), and what writers put there besides."""
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,31})(?:\.[0-9]{1,31})?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,32}\.?[0-9]{0,32}|\.[0-9]{1,32})(?:[eE][+-]?[0-9]{1,3})?")
_NAME_PARTS = ("Alphabetic", "Ideographic", "Phonetic")


class BadLength(Exception):
    """The value's length is no multiple of what its VR takes."""


def quote(text: str) -> str:
    """`text` as a JSON string; NUL, which no text VR allows and some databases refuse, becomes U+FFFD."""
    return encode_basestring(text.replace("\0", "\ufffd") if "\0" in text else text)


def values(rendered: Iterable[str]) -> str:
    """The Value member for rendered values, null standing for an empty one; empty if all are."""
    parts = list(rendered)
    if all(part == "null" for part in parts):
        return ""
    return ',"Value":[' + ",".join(parts) + "]"


def inline_binary(data: bytes, _: Repertoire | None = None) -> str:
    """The InlineBinary member: base64 of the bytes as they are."""
    return f',"InlineBinary":"{b2a_base64(data, newline=False).decode()}"' if data else ""


def number(text: str) -> str:
    """A decimal or integer string as a JSON number, null if blank, as a JSON string if it is no number."""
    text = text.strip(PADDING)
    if _JSON_NUMBER.fullmatch(text):
        return text
    if not text:
        return "null"
    if _NUMBER.fullmatch(text):
        value = float(text)
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        if math.isfinite(value):
            return repr(value)
    return quote(text)


def real(value: float) -> str:
    """A float as JSON: the strings NaN, inf and -inf where JSON has no number."""
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else f'"{value}"'


def person_name(text: str) -> str:
    """One person name as its component groups."""
    groups = [group.rstrip(PADDING) for group in text.split("=", 2)]
    members = [f'"{part}":{quote(group)}' for part, group in zip(_NAME_PARTS, groups, strict=False) if group]
    return "{" + ",".join(members) + "}" if members else "null"


def _string(text: str) -> str:
    text = text.rstrip(PADDING)
    return quote(text) if text else "null"


def _code_strings(data: bytes, _: Repertoire) -> str:
    text = data.decode("latin_1").rstrip(PADDING)
    if "\\" in text:
        return values(map(_string, text.split("\\")))
    return f',"Value":[{quote(text)}]' if text else ""


def _texts(data: bytes, repertoire: Repertoire) -> str:
    text = repertoire.decode(data).rstrip(PADDING)
    if "\\" in text:
        return values(map(_string, text.split("\\")))
    return f',"Value":[{quote(text)}]' if text else ""


def _one_text(data: bytes, repertoire: Repertoire) -> str:
    return values([_string(repertoire.decode(data))])


def _names(data: bytes, repertoire: Repertoire) -> str:
    return values(map(person_name, repertoire.decode(data, name=True).split("\\")))


def _numbers(data: bytes, _: Repertoire) -> str:
    return values(map(number, data.decode("latin_1").split("\\")))


def _integers(order: str, code: str, size: int) -> Renderer:
    one = Struct(order + code)

    def render(data: bytes, _: Repertoire) -> str:
        if len(data) == size:
            return f',"Value":[{one.unpack(data)[0]}]'
        return values(map(str, unpacked(data, order, code)))

    return render


def _reals(order: str, code: str) -> Renderer:
    return lambda data, _: values(map(real, unpacked(data, order, code)))


def _tags(order: str) -> Renderer:
    def render(data: bytes, _: Repertoire) -> str:
        halves = unpacked(data, order, "HH")
        return values(f'"{group:04X}{element:04X}"' for group, element in zip(halves[::2], halves[1::2], strict=True))

    return render


def _words(order: str, size: int) -> Renderer:
    """Binary words: InlineBinary is little endian whatever the file's byte order (PS3.18 F.2.7)."""
    if order == "<":
        return inline_binary

    def render(data: bytes, _: Repertoire) -> str:
        if len(data) % size:
            raise BadLength
        swapped = bytearray(len(data))
        for offset in range(size):
            swapped[offset::size] = data[size - 1 - offset :: size]
        return inline_binary(bytes(swapped))

    return render


def unpacked(data: bytes, order: str, code: str) -> tuple[float, ...]:
    """The numbers of a binary value, each of the struct `code`. Raises BadLength when bytes are left over."""
    count, rest = divmod(len(data), calcsize(order + code))
    if rest:
        raise BadLength
    return Struct(f"{order}{code * count if len(code) > 1 else f'{count}{code}'}").unpack(data)


def _table(order: str) -> dict[str, Renderer]:
    table: dict[str, Renderer] = dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM", "UI"), _code_strings)
    table.update(dict.fromkeys(("LO", "SH", "UC"), _texts))
    table.update(dict.fromkeys(("LT", "ST", "UT", "UR"), _one_text))
    table.update(PN=_names, DS=_numbers, IS=_numbers, AT=_tags(order), OB=inline_binary, UN=inline_binary)
    for vr, code, size in (
        ("US", "H", 2),
        ("SS", "h", 2),
        ("UL", "I", 4),
        ("SL", "i", 4),
        ("UV", "Q", 8),
        ("SV", "q", 8),
    ):
        table[vr] = _integers(order, code, size)
    table.update(FL=_reals(order, "f"), FD=_reals(order, "d"))
    for vr, size in (("OW", 2), ("OF", 4), ("OL", 4), ("OD", 8), ("OV", 8)):
        table[vr] = _words(order, size)
    return table


RENDERERS = {order: _table(order) for order in "<>"}
"""VR to renderer, for each byte order (`<` or `>`)."""

BINARY = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
"""VRs whose longer values are referred to by BulkDataURI."""
