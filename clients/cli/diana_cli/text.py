"""From an item to what a person or a script reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from diana_common.dicomjson import texts
from diana_endpoints.headers import as_text, data_of
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


def attribute(item: Item, name: str) -> str:
    """One attribute by keyword or tag, several values with a backslash between them; empty if there is none.

    Of an item that is no instance: the value of that name.
    """
    if item.data is not None:
        return str(item.data.get(name, ""))
    return "\\".join(texts(item.header or {}, tag_of(name)))


@cache
def tag_of(name: str) -> str:
    """The tag of a keyword or tag, as DICOM JSON writes it. Raises DianaError INVALID_FIELD for what is none."""
    from diana_common.tags import parse_tag, tag_hex  # pydicom with it: time that most commands need not spend

    return tag_hex(parse_tag(name))


def value(item: Item, name: str) -> Any:
    """A value by name: of what the item says, else of its metadata, else an attribute of its header.

    Raises DianaError INVALID_FIELD for a name that none of them has, and that is no attribute.
    """
    for values in (item.data, item.meta):
        if values is not None and name in values:
            return values[name]
    return attribute(item, name)


def fields(item: Item, names: Iterable[str]) -> dict[str, Any]:
    """An item's metadata, and of what it says the values named; all of them when none is."""
    wanted = list(names)
    chosen = {name: value(item, name) for name in wanted} if wanted else data_of(item)
    return {**item.meta, **chosen, **(item.meta if item.data is None else {})}  # setmeta wins over a header


def json_line(item: Item, names: Iterable[str] = ()) -> str:
    """An item as a line of JSON."""
    return encodable(json.dumps(fields(item, names), ensure_ascii=False, default=str))


def plain_line(item: Item, names: Iterable[str] = ()) -> str:
    """An item as a line for people."""
    shown = fields(item, names)
    outcome = str(shown.pop("outcome", "")).replace("_", " ")
    if shown.get("id") == shown.get("path"):
        shown.pop("id", None)  # a file's id is its path, which is shown
    pairs = (
        f"{key}={as_text(told)}"
        for key, told in shown.items()
        if key not in _FOR_SCRIPTS and told not in ("", [], {}, None, item.name)
    )
    name = "" if item.name == Item().name else item.name
    return clean("  ".join([part for part in (outcome, name) if part] + list(pairs)))


def failure_line(where: str, name: str, failure: Failure) -> str:
    """A failure as a line for people, without the remedy."""
    return clean(": ".join(part for part in (where, name, failure.reason, failure.message) if part))
