"""Matching of plain data by C-FIND's rules (PS3.4 section C.2.2.2), for endpoints that keep no DICOM."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Any

from diana_common.dicomjson import items as items_of
from diana_endpoints.headers import as_text, data_of
from diana_endpoints.items import Item
from diana_endpoints.protocol.query import Matches, Query, refuse_unasked

_RANGE = re.compile(r"(\d{8})?-(\d{8})?")
_DATE = re.compile(r"\d{8}")


def meets(data: Mapping[str, Any], matches: Matches) -> bool:
    """Whether data meets all matches: of each, any value; of a list in the data, any member.

    `*` and `?` are wildcards; 20240101-20240131, with either end open, is a range where the data has a date; an empty
    value matches anything, and no value nothing. Letters' case counts. Matches of a sequence's items are met by one
    item that meets them all: a mapping in the data, or one of a list of them.
    """
    return all(_meets_one(data.get(name), wanted) for name, wanted in matches.items())


def answers(items: Iterable[Item], query: Query) -> Iterator[Item]:
    """Those of an endpoint's items that a query finds, each looked at in turn; failed ones are handed on.

    What an item says of itself (`data`) is matched, and where that has no such name, its `meta`. Raises DianaError
    KEY_UNSUPPORTED for a query that asks for more than matching.
    """
    refuse_unasked(query)
    for item in items:
        data = data_of(item)
        if item.failure is None:
            said = {**item.meta, **data}
            if item.data is None:
                said |= _sequences(item.header or {}, query.matches)
            if not meets(said, query.matches):
                continue
            item.data = {name: said.get(name) for name in query.return_keys} if query.return_keys else data
        yield item


def _meets_one(value: Any, wanted: Sequence[str] | Matches) -> bool:
    if isinstance(wanted, Mapping):
        below = value if isinstance(value, list) else [value]
        return not _asks(wanted) or any(meets(one, wanted) for one in below if isinstance(one, Mapping))
    patterns = _patterns(wanted)
    texts = [as_text(one) for one in value] if isinstance(value, list) else [as_text(value)]
    return not _asks(wanted) or any(_is_like(text, pattern) for pattern in patterns for text in texts)


def _asks(wanted: Sequence[str] | Matches) -> bool:
    """Whether there is anything to be met: an empty text matches anything, and so does a sequence of such."""
    if isinstance(wanted, Mapping):
        return any(map(_asks, wanted.values()))
    patterns = _patterns(wanted)
    return not patterns or any(patterns)


def _patterns(wanted: Sequence[str]) -> list[str]:
    return [wanted] if isinstance(wanted, str) else [as_text(one) for one in wanted]


def _sequences(header: Mapping[str, Any], matches: Matches) -> dict[str, Any]:
    """What the items of a header's sequences say, of those that are asked about."""
    from diana_common.tags import parse_tag, tag_hex  # pydicom with it: time that most commands need not spend

    found: dict[str, Any] = {}
    for name, wanted in matches.items():
        if isinstance(wanted, Mapping):
            below = items_of(header, tag_hex(parse_tag(name, name)))
            found[name] = [data_of(Item(header=dict(one))) | _sequences(one, wanted) for one in below]
    return found


def _is_like(text: str, pattern: str) -> bool:
    found = _RANGE.fullmatch(pattern)
    if found and any(found.groups()) and _DATE.fullmatch(text):
        first, last = found.groups()
        return (first or text) <= text <= (last or text)
    return _compiled(pattern).match(text) is not None if "*" in pattern or "?" in pattern else text == pattern


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    """`translate` makes groups that are never tried again, so that no pattern takes long."""
    return re.compile(translate(pattern.replace("[", "[[]")))
