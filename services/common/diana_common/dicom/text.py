"""A value's bytes to text, one function a kind of VR: what a list of files shows, and a column of a table holds.

Several values are joined by a backslash, as DICOM writes them, each without its padding; person names keep ^ and =.
Of empty values only the text is empty. Numbers of text VRs (DS, IS) stay as they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from diana_common.dicom.charset import Repertoire
from diana_common.dicom.render import PADDING, BadLength, unpacked

Texter = Callable[[bytes, Repertoire], str]

BACKSLASH = "\\"
_KINDS = (("US", "H"), ("SS", "h"), ("UL", "I"), ("SL", "i"), ("UV", "Q"), ("SV", "q"), ("FL", "f"), ("FD", "d"))


def text_of(vr: str, data: bytes, order: str, repertoire: Repertoire) -> str | None:
    """The text of a value; None if its VR has none (binary ones, sequences) or its length does not fit the VR."""
    texter = texter_of(vr, order)
    try:
        return texter(data, repertoire) if texter else None
    except BadLength:
        return None


def texter_of(vr: str, order: str) -> Texter | None:
    """What makes text of a VR's values; it raises BadLength. None for a VR without text."""
    return _TEXTERS[order].get(vr)


def _several(text: str) -> str:
    text = text.rstrip(PADDING)
    if BACKSLASH not in text and "\0" not in text:
        return text
    return _joined(part.rstrip(PADDING) for part in text.split(BACKSLASH))


def _joined(parts: Iterable[str]) -> str:
    text = BACKSLASH.join(parts).replace("\0", "\ufffd")
    return text if text.strip(BACKSLASH) else ""


def _code_strings(data: bytes, _: Repertoire) -> str:
    return _several(data.decode("latin_1"))


def _texts(data: bytes, repertoire: Repertoire) -> str:
    return _several(repertoire.decode(data))


def _one_text(data: bytes, repertoire: Repertoire) -> str:
    return repertoire.decode(data).rstrip(PADDING).replace("\0", "\ufffd")


def _names(data: bytes, repertoire: Repertoire) -> str:
    text = repertoire.decode(data, name=True).rstrip(PADDING)
    if BACKSLASH not in text and "=" not in text and "\0" not in text:
        return text
    return _joined(map(_name, text.split(BACKSLASH)))


def _name(text: str) -> str:
    return "=".join(group.rstrip(PADDING) for group in text.split("=", 2)).rstrip("=")


def _numbers(data: bytes, _: Repertoire) -> str:
    return _joined(part.strip(PADDING) for part in data.decode("latin_1").split(BACKSLASH))


def _binary(order: str, code: str) -> Texter:
    return lambda data, _: BACKSLASH.join(map(str, unpacked(data, order, code)))


def _tags(order: str) -> Texter:
    def text(data: bytes, _: Repertoire) -> str:
        halves = unpacked(data, order, "HH")
        return BACKSLASH.join(f"{group:04X}{element:04X}" for group, element in zip(halves[::2], halves[1::2]))

    return text


def _table(order: str) -> dict[str, Texter]:
    table: dict[str, Texter] = dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM", "UI"), _code_strings)
    table.update(dict.fromkeys(("LO", "SH", "UC"), _texts))
    table.update(dict.fromkeys(("LT", "ST", "UT", "UR"), _one_text))
    table.update(PN=_names, DS=_numbers, IS=_numbers, AT=_tags(order))
    table.update((vr, _binary(order, code)) for vr, code in _KINDS)
    return table


_TEXTERS = {order: _table(order) for order in "<>"}
