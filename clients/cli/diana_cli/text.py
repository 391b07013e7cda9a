"""From an item to what a person or a script reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from diana_common.dicomjson import texts
from diana_endpoints.items import Failure, Item

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

_FOR_SCRIPTS = ("data_set_sha256", "sop_class_uid", "transfer_syntax_uid")
"""Metadata that plain lines leave out."""


def clean(value: object) -> str:
    """A value for a terminal: what could steer it (escape sequences, direction marks) is shown as U+FFFD."""
    return encodable(_CONTROL.sub("\ufffd", str(value)))


def encodable(text: str) -> str:
    """The text with the odd bytes of file names, which Python keeps as lone surrogates, written as \\udcXX."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def attributes(item: Item) -> dict[str, str | list[str]]:
    """The header's attributes by keyword (tag, where there is none); items of sequences are left out."""
    if not item.header:
        return {}
    from diana_common.tags import keyword_of  # pydicom with it: time that most commands need not spend

    found: dict[str, str | list[str]] = {}
    for tag, element in item.header.items():
        if element.get("vr") != "SQ":
            values = texts(item.header, tag)
            found[keyword_of(int(tag, 16)) or tag] = values[0] if len(values) == 1 else values
    return found


def attribute(item: Item, name: str) -> str:
    """One attribute by keyword or tag, several values with a backslash between them; empty if there is none."""
    from diana_common.tags import parse_tag, tag_hex  # as above

    return "\\".join(texts(item.header or {}, tag_hex(parse_tag(name))))


def fields(item: Item, names: Iterable[str]) -> dict[str, Any]:
    """An item's metadata, and of its header the attributes named; all of them when none is."""
    wanted = list(names)
    chosen = {name: attribute(item, name) for name in wanted} if wanted else attributes(item)
    return {**item.meta, **chosen}


def json_line(item: Item, names: Iterable[str] = ()) -> str:
    """An item as a line of JSON."""
    return encodable(json.dumps(fields(item, names), ensure_ascii=False))


def plain_line(item: Item, names: Iterable[str] = ()) -> str:
    """An item as a line for people."""
    shown = fields(item, names)
    outcome = str(shown.pop("outcome", "")).replace("_", " ")
    pairs = (
        f"{key}={_shown(value)}"
        for key, value in shown.items()
        if key not in _FOR_SCRIPTS and value not in ("", [], None, item.name)
    )
    return clean("  ".join([*([outcome] if outcome else []), item.name, *pairs]))


def failure_line(where: str, name: str, failure: Failure) -> str:
    """A failure as a line for people, without the remedy."""
    return clean(": ".join(part for part in (where, name, failure.reason, failure.message) if part))


def _shown(value: Any) -> str:
    return "\\".join(value) if isinstance(value, list) else str(value)
