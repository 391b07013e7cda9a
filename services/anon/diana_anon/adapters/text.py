"""Reading text in pictures with RapidOCR, whose models are in its wheel. Runs in a pixel worker."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from rapidocr import RapidOCR

from diana_anon.adapters.rendering import Picture, pictures
from diana_anon.core.pixels.model import Finding, Region, Shape, Window

_TILE = 640
"""Pictures are read in tiles of this side: in larger ones the engine overlooks small text that stands alone."""
_OVERLAP = 128
_KNOWN = 1024
"""Tiles remembered: some images' of 3,000 rows and columns."""
_FAINTEST, _WHITE = 5, 255
"""Grey levels. Text that is found differs from what is around it by 6 at the least, as a rule by 12."""
_PARAMETERS = {
    "Global.log_level": "critical",
    "Global.text_score": 0.0,  # what it is unsure of is for us to judge
    # Tiles are shown as they are: enlarged, as is usual here, they hide small text and take five times as long.
    "Det.limit_type": "max",
    "Det.limit_side_len": 736,
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


class Reader:
    """Holds the models, about 300 MiB, and where the latest tiles had text: to look at one once more costs nothing."""

    def __init__(self) -> None:
        self._engine: Any = RapidOCR(params=_PARAMETERS)
        self._known: dict[bytes, list[Finding]] = {}

    def read(self, samples: bytes, shape: Shape, window: Window) -> list[Finding]:
        """See core.pixels.model.TextReader."""
        return joined(self._found(pictures(samples, shape, window)))

    def _found(self, shown: Sequence[Picture]) -> Iterator[Finding]:
        for top in _starts(shown[0].shape[0]):
            for left in _starts(shown[0].shape[1]):
                for tile in telling([picture[top : top + _TILE, left : left + _TILE] for picture in shown]):
                    for one in self._in_tile(np.ascontiguousarray(tile)):
                        yield replace(one, region=_moved(one.region, left, top))

    def _in_tile(self, tile: Picture) -> list[Finding]:
        digest = hashlib.sha256(tile.data).digest() + bytes(str(tile.shape), "ascii")
        if digest not in self._known:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[digest] = list(self._read(tile))
        return self._known[digest]

    def _read(self, tile: Picture) -> Iterator[Finding]:
        read = self._engine(tile, use_cls=False)
        if read.boxes is not None:
            for box, text, score in zip(read.boxes, read.txts, read.scores, strict=True):
                yield Finding(0, _region(box), float(score), sum(map(str.isalnum, text)))


def telling(tiles: Sequence[Picture]) -> list[Picture]:
    """The tiles that may show text, of those that show the same place of an image in one window and another.

    One that cuts nothing off, black or white, shows all that another with less contrast does. None of what is fainter
    than `_FAINTEST` is text that the engine finds.
    """
    left = [tile for tile in tiles if _contrast(tile) >= _FAINTEST]
    if len(left) > 1 and all(tile.min() > 0 and tile.max() < _WHITE for tile in left[1:]):
        left = [max(left, key=_contrast)]
    return [tile for tile in left if _sharpest(tile) >= _FAINTEST]


def _contrast(tile: Picture) -> int:
    return int(tile.max()) - int(tile.min())


def _sharpest(tile: Picture) -> int:
    """The most that brightness changes within a few pixels, noise smoothed."""
    smooth, near = cv2.blur(tile, (3, 3)), np.ones((5, 5), np.uint8)
    return int((cv2.dilate(smooth, near) - cv2.erode(smooth, near)).max())


def joined(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in one where tiles or pictures show the same text: as surely as the best shows it."""
    found: list[Finding] = []
    for finding in findings:
        same = [one for one in found if _same(one.region, finding.region)]
        found = [one for one in found if one not in same]
        for one in same:
            confidence, characters = max(one.confidence, finding.confidence), max(one.characters, finding.characters)
            finding = Finding(0, one.region.around(finding.region), confidence, characters)
        found.append(finding)
    return found


def _same(one: Region, other: Region) -> bool:
    """Whether one of two regions lies in the other by half."""
    return 2 * one.shared(other) >= min(one.area, other.area)


def _starts(size: int) -> list[int]:
    """Where tiles begin along one side, spread evenly."""
    count = max(1, math.ceil((size - _OVERLAP) / (_TILE - _OVERLAP)))
    return [round((size - _TILE) * index / (count - 1)) for index in range(count)] if count > 1 else [0]


def _moved(region: Region, right: int, down: int) -> Region:
    return Region(region.left + right, region.top + down, region.right + right, region.bottom + down)


def _region(box: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Region:
    """The upright rectangle around a box of four corners."""
    (x0, y0), (x1, y1) = np.floor(box.min(0)), np.ceil(box.max(0))
    return Region(int(x0), int(y0), int(x1) + 1, int(y1) + 1)
