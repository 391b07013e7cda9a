"""US census names, sorted, read once when first asked for (see tools/make_guid_names.py)."""

from __future__ import annotations

import gzip
import string
from functools import cache
from importlib.resources import files

LETTERS = string.ascii_uppercase
"""What middle initials are drawn from."""

_LISTS_BY_SEX = {"M": ("male",), "F": ("female",), "U": ("female", "male")}


@cache
def names(which: str) -> tuple[str, ...]:
    """All names of the list `last`, `female` or `male`, sorted, upper case."""
    packed = files("diana_guid").joinpath("data", f"{which}.txt.gz").read_bytes()
    return tuple(gzip.decompress(packed).decode("ascii").split())


@cache
def first_names(sex: str) -> tuple[str, ...]:
    """First names for the sex `M`, `F` or `U`; for `U` those of both lists."""
    return tuple(name for which in _LISTS_BY_SEX[sex] for name in names(which))


@cache
def names_by_initial(which: str) -> dict[str, tuple[str, ...]]:
    """The names of a list in buckets by their initial, sorted as the list is."""
    buckets: dict[str, list[str]] = {}
    for name in names(which):
        buckets.setdefault(name[0], []).append(name)
    return {initial: tuple(bucket) for initial, bucket in buckets.items()}
