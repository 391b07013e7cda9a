"""The words of a report, however it comes: as text, or as a structured report (PS3.3 section A.35)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from diana_common.dicomjson import first_value, items
from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Content, Item
from diana_endpoints.part10 import holds_part10

MOST_BYTES = 1024 * 1024
"""Of a report's text, in UTF-8: what anon takes, and the index."""

_STRUCTURED = "1.2.840.10008.5.1.4.1.1.88."
_MOST_ITEMS = 100_000
_CONTROL = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")


def report_text(item: Item) -> str:
    """What a report says: its data's or metadata's "text", the text that is its content, or a structured report's.

    Raises DianaError INVALID_FIELD for an item that says nothing, INSTANCE_TOO_LARGE beyond 1 MiB; OSError.
    """
    for said in (item.data or {}, item.meta):
        if isinstance(said.get("text"), str):
            return _bounded(said["text"])
    if item.content is not None and not holds_part10(item.content):
        return read_text(item.content)
    fill_header(item)
    text = structured_text(item.header or {})
    if not text:
        raise invalid_field("content", "is no report: neither text nor a structured report that says something")
    return text


def read_text(content: Content) -> str:
    """Content as text in UTF-8. Raises DianaError as `report_text`."""
    with content.open() as stream:
        data = stream.read(MOST_BYTES + 1)
    try:
        text = _bounded(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise invalid_field("content", "is no text in UTF-8") from error
    if _CONTROL.search(text):
        raise invalid_field("content", "is no text: it has control characters")
    return text


def structured_text(header: Mapping[str, Any]) -> str:
    """A line a content item, in the order of the tree: its name, and its text, code, number or date.

    Of persons, images and the observation context nothing is told. Empty for what is no structured report.
    """
    if not (first_value(header, "00080016") or "").startswith(_STRUCTURED):
        return ""
    lines: list[str] = []
    pending: list[Mapping[str, Any]] = [header]
    size = 0
    for _ in range(_MOST_ITEMS):
        if not pending or size > MOST_BYTES:
            break
        node = pending.pop()
        if first_value(node, "0040A010") != "HAS OBS CONTEXT":
            line = _CONTROL.sub(" ", _line(node)).strip()
            size += len(line.encode("utf-8", "replace")) + 1
            lines += [line] if line else []
            pending += reversed(items(node, "0040A730"))
    return _bounded("\n".join(lines))


def _line(node: Mapping[str, Any]) -> str:
    name = _meaning(node, "0040A043")
    kind = first_value(node, "0040A040") or "CONTAINER"
    if kind == "CONTAINER":
        return f"{name}:" if name else ""
    value = _value(node, kind)
    return f"{name}: {value}" if name and value else value


def _value(node: Mapping[str, Any], kind: str) -> str:
    if kind == "CODE":
        return _meaning(node, "0040A168")
    if kind == "NUM":
        measured = next(iter(items(node, "0040A300")), {})
        unit = next(iter(items(measured, "004008EA")), {})
        return f"{first_value(measured, '0040A30A') or ''} {first_value(unit, '00080100') or ''}".strip()
    tags = {"TEXT": "0040A160", "DATE": "0040A121", "TIME": "0040A122", "DATETIME": "0040A120"}
    return first_value(node, tags[kind]) or "" if kind in tags else ""


def _meaning(node: Mapping[str, Any], tag: str) -> str:
    return first_value(next(iter(items(node, tag)), {}), "00080104") or ""


def _bounded(text: str) -> str:
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise DianaError(Reason.INSTANCE_TOO_LARGE, "the report has more than a mebibyte of text")
    return text
