"""Instances by their UIDs, among items whose headers must be read to know them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from diana_common.errors import invalid_field
from diana_endpoints.failures import each
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Item
from diana_endpoints.levels import UIDS


def wanted_uids(wanted: Item) -> dict[str, str]:
    """The UIDs that name what is wanted. Raises DianaError INVALID_FIELD if there are none."""
    found = {name: str(wanted.meta[name]) for name in UIDS if wanted.meta.get(name)}
    if not found:
        raise invalid_field("id", "is required, or a UID")
    return found


def of_uids(items: Iterable[Item], uids: dict[str, str]) -> Iterator[Item]:
    """The items of these UIDs, with their headers. What cannot be read is none of them."""
    for item in read_headers(items):
        if item.failure is None and all(item.meta.get(name) == uid for name, uid in uids.items()):
            yield item


def read_headers(items: Iterable[Item]) -> Iterator[Item]:
    """The items with their headers; one whose header cannot be read with its failure."""
    return each(items, _read)


def _read(item: Item) -> None:
    if item.failure is None:
        fill_header(item)
