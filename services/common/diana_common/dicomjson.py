"""Reading DICOM JSON (PS3.18 Annex F) that `json.loads` has parsed. Tags are written 0020000D."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from diana_common.values import PersonName

DataSetJson = Mapping[str, Mapping[str, Any]]
"""One data set: elements by tag, each with `vr` and `Value`, `InlineBinary` or `BulkDataURI`."""


def values(data_set: DataSetJson, tag: str) -> list[Any]:
    """An element's values, null for an empty one; an absent or empty element has none."""
    found = data_set.get(tag, {}).get("Value")
    return list(found) if isinstance(found, list) else []


def texts(data_set: DataSetJson, tag: str) -> list[str]:
    """The values as DICOM writes them: names with ^ and =, numbers in decimal; items of a sequence are left out."""
    found = values(data_set, tag)
    return [
        value if isinstance(value, str) else _text(value)
        for value in found
        if isinstance(value, str) or not _is_item(value)  # most are: a Mapping takes longer to be told
    ]


def first_value(data_set: DataSetJson, tag: str) -> str | None:
    """The first non-empty value as text; None if there is none."""
    return next((text for text in texts(data_set, tag) if text), None)


def items(data_set: DataSetJson, tag: str) -> list[DataSetJson]:
    """The items of a sequence."""
    return [value for value in values(data_set, tag) if _is_item(value) or value == {}]


def walk(data_set: DataSetJson, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every element, nested ones too, with the tags that lead to it; a sequence comes before its items."""
    pending: list[tuple[tuple[str, ...], DataSetJson]] = [(path, data_set)]
    while pending:
        path, level = pending.pop()
        for tag, element in level.items():
            yield (*path, tag), element
            if element.get("vr") == "SQ":
                pending += [((*path, tag), item) for item in reversed(items(level, tag))]


def _is_item(value: object) -> bool:
    return isinstance(value, Mapping) and not {"Alphabetic", "Ideographic", "Phonetic"} & value.keys()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return str(PersonName.from_json(value))
    return str(value)
