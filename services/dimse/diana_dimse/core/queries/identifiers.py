"""Identifiers of C-FIND (PS3.4 section C.2.2.1): what is matched, what is answered. Data sets are DICOM JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from diana_common.dicomjson import DataSetJson, items, texts
from diana_common.tags import vr_of

CHARACTER_SET = "00080005"
QUERY_RETRIEVE_LEVEL = "00080052"
RETRIEVE_AE_TITLE = "00080054"
INSTANCE_AVAILABILITY = "00080056"
TIMEZONE_OFFSET = "00080201"

_UNIVERSAL = " *"


class IdentifierMismatch(Exception):
    """The identifier is not one of the SOP Class; the message says what is wrong, without its values."""


@dataclass(frozen=True, slots=True)
class Key:
    """A matching key that is not universal."""

    tag: str
    vr: str
    values: tuple[str, ...] = ()
    """Any of them may match; as DICOM writes them. None of a sequence, nor of a binary value, which nothing matches."""

    item: tuple[Key, ...] = ()
    """Of a sequence: the keys that one of its items must meet."""


def matching_keys(identifier: DataSetJson) -> Iterator[Key]:
    """The keys of an identifier, or of an item of it, that are not universal."""
    for tag, element in identifier.items():
        vr = element_vr(tag, element)
        if vr == "SQ":
            # PS3.4 section C.2.2.2.6: a sequence to match has one item.
            inner = tuple(key for item in items(identifier, tag)[:1] for key in matching_keys(item))
            if inner:
                yield Key(tag, vr, item=inner)
        elif element.get("InlineBinary"):
            yield Key(tag, vr)
        else:
            values = tuple(text for text in texts(identifier, tag) if text.strip())
            if values and all(text.strip(_UNIVERSAL) for text in values):
                yield Key(tag, vr, values)


def single_value(identifier: DataSetJson, tag: str) -> str:
    """The one value of an attribute, without wildcards; empty if it is anything else."""
    found = [text.strip() for text in texts(identifier, tag)]
    return "" if len(found) != 1 or "*" in found[0] or "?" in found[0] else found[0]


def declared_character_set(identifier: DataSetJson) -> str:
    r"""The terms of Specific Character Set, parted by `\`; empty if it declares none."""
    return "\\".join(texts(identifier, CHARACTER_SET))


def answer(asked: DataSetJson, record: DataSetJson) -> dict[str, Mapping[str, Any]]:
    """Of a record what an identifier asks for: every attribute of it, those that the record lacks being empty."""
    return {
        tag: _asked_part(element, record[tag]) if tag in record else {"vr": element_vr(tag, element)}
        for tag, element in asked.items()
        if tag != CHARACTER_SET
    }


def element_vr(tag: str, element: Mapping[str, Any]) -> str:
    """An element's VR; the dictionary's where it was sent as unknown."""
    vr = element.get("vr", "UN")
    return vr_of(int(tag, 16)) if vr == "UN" else str(vr)


def _asked_part(element: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a sequence's items what the item asked for has, all where it has none."""
    if found.get("vr") != "SQ" or not (wanted := next(iter(element.get("Value") or ()), None)):
        return found
    return {"vr": "SQ", "Value": [answer(wanted, item or {}) for item in found.get("Value") or ()]}
