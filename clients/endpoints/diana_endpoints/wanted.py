"""What an item that is wanted is named by, and one that is put."""

from __future__ import annotations

from collections.abc import Sequence

from diana_common.errors import invalid_field
from diana_endpoints.items import Item
from diana_endpoints.levels import UIDS


def wanted_id(wanted: Item) -> str:
    """Its id, as its endpoint names things. Raises DianaError INVALID_FIELD if it has none."""
    found = wanted.meta.get("id")
    if found is None or found == "":
        raise invalid_field("id", "is required")
    return str(found)


def name_of(item: Item, others: Sequence[str] = UIDS[::-1]) -> str:
    """What an item that is put may be named: its id, else the first of these others; empty where it has none.

    Of a file, whose id is its path, which people chose, the others come first.
    """
    named = str(item.meta.get("id") or "")
    known = [str(item.meta[key]) for key in others if item.meta.get(key)]
    is_path = named == str(item.meta.get("path", ""))
    return next((one for one in ([*known, named] if is_path else [named, *known]) if one), "")
