"""Sequence of Ultrasound Regions (0018,6011), PS3.3 C.8.5.5: what lies outside them is the screen's own writing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from diana_anon.core.pixels.image import number
from diana_anon.core.pixels.model import Mask, Region, Why
from diana_common.conditions import Header
from diana_common.dicomjson import items

_SEQUENCE = "00186011"
_EDGES = ("00186018", "0018601A", "0018601C", "0018601E")
"""Region Location Min X0, Min Y0, Max X1, Max Y1; the last pixels belong to the region."""
_MOST = 64
"""More regions than a screen has are no description of one."""


def outside_regions(header: Header, columns: int, rows: int) -> list[Mask]:
    """What to blank; nothing if the attribute is not there, or a region of it does not fit the image."""
    regions = [_region(item) for item in items(header, _SEQUENCE)]
    fitting = [region for region in regions if region and region.within(columns, rows) == region]
    if not 0 < len(fitting) == len(regions) <= _MOST:
        return []
    return [Mask(region, Why.OUTSIDE_ULTRASOUND_REGIONS) for region in complement(fitting, columns, rows)]


def complement(regions: Iterable[Region], columns: int, rows: int) -> Iterator[Region]:
    """What the regions leave of an image, in rectangles that do not overlap, from the top down."""
    regions = list(regions)
    edges = sorted({0, rows, *(region.top for region in regions), *(region.bottom for region in regions)})
    for top, bottom in pairwise(edges):
        left = 0
        for region in sorted(region for region in regions if region.top <= top < region.bottom):
            if region.left > left:
                yield Region(left, top, region.left, bottom)
            left = max(left, region.right)
        if left < columns:
            yield Region(left, top, columns, bottom)


def _region(item: Header) -> Region | None:
    edges = [number(item, tag) for tag in _EDGES]
    left, top, right, bottom = edges
    if left is None or top is None or right is None or bottom is None:
        return None
    return Region(left, top, right + 1, bottom + 1)
