"""From text that was seen to what is blanked, or to doubt."""

from __future__ import annotations

from collections.abc import Iterable

from diana_anon.core.pixels.faults import doubtful
from diana_anon.core.pixels.model import Finding, Mask, Region, Why

_GRID = 4
"""Masks end on multiples of this, so that the last digits of a reader's arithmetic do not show in the result."""
_MARGIN = 3
_ELONGATED = 2.0
_TALLEST, _LARGEST = 1 / 4, 1 / 12
"""Of a frame's rows, and of its area: what is taller and larger is no line of text, whatever a reader makes of it."""


def text_masks(findings: Iterable[Finding], quarantine_below: float) -> list[Mask]:
    """A mask for each text. Raises INSTANCE_QUARANTINED if the reader is too unsure of one.

    One letter or digit in a box that is not long is none: it identifies nobody, the laterality markers L and R are
    such, and anatomy looks like such.
    """
    texts = [finding for finding in findings if not _is_mark(finding)]
    doubts = sorted((finding for finding in texts if finding.confidence < quarantine_below), key=_place)
    if doubts:
        raise doubtful("text was seen that could not be read with confidence", doubts)
    best: dict[Region, float] = {}
    for finding in texts:
        region = _widened(finding.region)
        best[region] = max(best.get(region, 0.0), finding.confidence)
    return [Mask(region, Why.TEXT, best[region]) for region in sorted(best)]


def check_sizes(findings: Iterable[Finding], rows: int, columns: int) -> None:
    """Raises INSTANCE_QUARANTINED if a reader took a good part of the frame for text: anatomy, more likely than not."""
    texts = (finding for finding in findings if not _is_mark(finding))
    large = sorted((finding for finding in texts if _is_large(finding.region, rows, columns)), key=_place)
    if large:
        raise doubtful("what was taken for text covers too much of the image", large)


def _is_large(region: Region, rows: int, columns: int) -> bool:
    height, width = region.bottom - region.top, region.right - region.left
    return height > rows * _TALLEST and height * width > rows * columns * _LARGEST


def _is_mark(finding: Finding) -> bool:
    width = finding.region.right - finding.region.left
    height = finding.region.bottom - finding.region.top
    return finding.characters < 2 and max(width, height) <= _ELONGATED * min(width, height)


def _widened(region: Region) -> Region:
    return Region(
        max(0, (region.left - _MARGIN) // _GRID * _GRID),
        max(0, (region.top - _MARGIN) // _GRID * _GRID),
        -(-(region.right + _MARGIN) // _GRID) * _GRID,
        -(-(region.bottom + _MARGIN) // _GRID) * _GRID,
    )


def _place(finding: Finding) -> tuple[int, Region]:
    return finding.frame, finding.region
