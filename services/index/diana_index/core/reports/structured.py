"""The text of structured reports (PS3.3 section A.35, content tree of section C.17.3).

Written in the order of the tree, a line a content item: "Finding: 4.5 mm nodule". Left out are names of
persons, references to images, and the observation context: who observed whom is in the header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from diana_common.dicomjson import DataSetJson, first_value

MAX_BYTES = 1 << 20
"""Bytes of a report's text in UTF-8; the rest of a tree is left out."""

MAX_DEPTH = 64
"""Levels of the content tree; what is nested deeper is left out."""

MAX_ITEMS = 100_000
"""Content items that are read."""

_STRUCTURED = "1.2.840.10008.5.1.4.1.1.88."

_NO_REPORTS = frozenset(_STRUCTURED + number for number in ("59", "67", "68", "71", "73", "74", "75", "76"))
"""Key objects, the dose of X-rays and of radiopharmaceuticals, acquisition context, imaging agents."""

_DOSE_TITLES = frozenset({("113701", "DCM"), ("113500", "DCM"), ("C-10", "99SMS_RADSUM")})
"""Titles of dose reports (TID 10001, TID 10021, Siemens), which older devices wrote as Enhanced SR."""

_CONTEXT = "HAS OBS CONTEXT"


def report_text(header: Mapping[str, Any]) -> str | None:
    """What a structured report says, from the DICOM JSON of its instance, however malformed.

    None for what is no structured report, says nothing, or is of dose and the like instead of a reading.
    """
    sop_class = _value(header, "00080016")
    title = _item(header, "0040A043")
    if not sop_class.startswith(_STRUCTURED) or sop_class in _NO_REPORTS:
        return None
    if (_value(title, "00080100"), _value(title, "00080102")) in _DOSE_TITLES:
        return None
    return _said(header) or None


def _said(header: DataSetJson) -> str:
    """The lines of the tree, the first item on top of the stack."""
    lines: list[str] = []
    left = MAX_BYTES
    pending = [(0, header)]
    for _ in range(MAX_ITEMS):
        if not pending or left <= 0:
            break
        depth, item = pending.pop()
        if _value(item, "0040A010") == _CONTEXT:
            continue
        line = _cut(_line(item), left)
        if line:
            lines.append(line)
            left -= len(line.encode()) + 1
        if depth < MAX_DEPTH:
            pending += [(depth + 1, child) for child in reversed(_items(item, "0040A730"))]
    return "\n".join(lines)


def _line(item: DataSetJson) -> str:
    """A content item as its name and its value; a container has only its name."""
    name = _meaning(_item(item, "0040A043"))
    kind = _value(item, "0040A040")
    if kind in ("CONTAINER", ""):
        return f"{name}:" if name else ""
    value = _VALUES[kind](item) if kind in _VALUES else ""
    return f"{name}: {value}" if name and value else value


def _measured(item: DataSetJson) -> str:
    measured = _item(item, "0040A300")
    number, unit = _value(measured, "0040A30A"), _item(measured, "004008EA")
    shown = _value(unit, "00080100") or _meaning(unit)
    return number if not number or shown in ("1", "") else f"{number} {shown.strip('{}')}"


def _moment(item: DataSetJson) -> str:
    """A date, a time or both, with the delimiters that people write."""
    date = _value(item, "0040A121") or _value(item, "0040A120")
    written = re.sub(r"^(\d{4})(\d\d)(\d\d)(?=\d)", r"\1-\2-\3 ", date)
    written = re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", written) or _value(item, "0040A122")
    return re.sub(r"(^|\s)(\d\d)(\d\d)(\d\d)", r"\1\2:\3:\4", written)


_VALUES: dict[str, Callable[[DataSetJson], str]] = {
    "TEXT": lambda item: _value(item, "0040A160"),
    "CODE": lambda item: _meaning(_item(item, "0040A168")),
    "NUM": _measured,
    "DATE": _moment,
    "DATETIME": _moment,
    "TIME": _moment,
}
"""By value type (PS3.3 table C.17.3.2.1-1); the others say nothing that is read as text."""


def _meaning(code: DataSetJson) -> str:
    return _value(code, "00080104")


def _item(data_set: Mapping[str, Any], tag: str) -> DataSetJson:
    return next(iter(_items(data_set, tag)), {})


def _items(data_set: Mapping[str, Any], tag: str) -> list[DataSetJson]:
    """The items of a sequence; none if it is anything else."""
    element = data_set.get(tag)
    found = element.get("Value") if isinstance(element, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _value(data_set: Mapping[str, Any], tag: str) -> str:
    """The first value as text that every database can keep."""
    text = (first_value(data_set, tag) or "") if isinstance(data_set.get(tag), dict) else ""
    return re.sub(r"[\0-\x08\x0b-\x1f\x7f]+", " ", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _cut(line: str, size: int) -> str:
    """What of a line fits into `size` bytes of UTF-8; lone surrogates become "?"."""
    return line[:size].encode("utf-8", "replace")[:size].decode("utf-8", "ignore")
