"""Between Orthanc's own way of writing attributes ({keyword: text}) and DICOM JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from diana_common.errors import DianaError
from diana_common.tags import keyword_of, parse_tag, tag_hex, tag_of, vr_of
from diana_common.values import PersonName

_NUMBERS: Mapping[str, Callable[[str], float]] = {
    "IS": int,
    "US": int,
    "SS": int,
    "UL": int,
    "SL": int,
    "DS": float,
    "FL": float,
    "FD": float,
}
_WHOLE = {"LT", "ST", "UT", "UR"}
"""Representations whose values may hold a backslash (PS3.5 section 6.2)."""


def header_of(tags: Mapping[str, Any]) -> dict[str, Any]:
    """DICOM JSON of what Orthanc says by keyword or tag; sequences and what has no known name are left out."""
    header: dict[str, Any] = {}
    for name, text in tags.items():
        tag = _tag(name)
        if tag is not None and isinstance(text, str):
            vr = vr_of(tag)
            header[tag_hex(tag)] = {"vr": vr, **_values(vr, text)}
    return dict(sorted(header.items()))


def texts_of(answer: Mapping[str, Any]) -> dict[str, str]:
    """The texts of what Orthanc says in full: {"0010,0020": {"Name": ..., "Type": "String", "Value": ...}}."""
    return {
        tag: element["Value"]
        for tag, element in answer.items()
        if isinstance(element, Mapping) and element.get("Type") == "String" and isinstance(element.get("Value"), str)
    }


def orthanc_name(name: str) -> str:
    """How Orthanc's requests name an attribute: by keyword, else 0009-0010. Raises DianaError INVALID_FIELD."""
    tag = parse_tag(name, name)
    written = tag_hex(tag)
    return keyword_of(tag) or f"{written[:4]}-{written[4:]}"


def _tag(name: str) -> int | None:
    with suppress(DianaError):
        return tag_of(name) or parse_tag(name)
    return None


def _values(vr: str, text: str) -> dict[str, list[Any]]:
    if not text.strip():
        return {}
    parts = [text] if vr in _WHOLE else text.split("\\")
    return {"Value": [_value(vr, part.strip(" \0")) for part in parts]}


def _value(vr: str, text: str) -> Any:
    if not text:
        return None
    if vr == "PN":
        name = PersonName.parse(text)
        groups = {"Alphabetic": name.alphabetic, "Ideographic": name.ideographic, "Phonetic": name.phonetic}
        return {part: group for part, group in groups.items() if group}
    if vr in _NUMBERS:
        with suppress(ValueError):
            return _NUMBERS[vr](text)
    return text
