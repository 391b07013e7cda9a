"""US census names, sorted, read once when first asked for (see tools/make_guid_names.py)."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files

_LISTS_BY_SEX = {"M": ("male",), "F": ("female",), "U": ("female", "male")}


@cache
def names(which: str) -> tuple[str, ...]:
    """All names of the list `last`, `female` or `male`, sorted, upper case."""
    packed = files("diana_guid").joinpath("data", f"{which}.txt.gz").read_bytes()
    return tuple(gzip.decompress(packed).decode("ascii").split())


@cache
def first_names_by_initial(sex: str) -> dict[str, tuple[str, ...]]:
    """First names for the sex `M`, `F` or `U` in buckets by their initial; for `U` those of both lists."""
    return names_by_initial(*_LISTS_BY_SEX[sex])


@cache
def names_by_initial(*lists: str) -> dict[str, tuple[str, ...]]:
    """The names of lists, one after the other, in buckets by their initial, sorted as each list is."""
    buckets: dict[str, list[str]] = {}
    for name in (name for which in lists for name in names(which)):
        buckets.setdefault(name[0], []).append(name)
    return {initial: tuple(bucket) for initial, bucket in buckets.items()}
