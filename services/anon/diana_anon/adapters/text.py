"""Reading text in pictures with RapidOCR, whose models are in its wheel. Runs in a pixel worker."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from rapidocr import RapidOCR

from diana_anon.adapters.rendering import Picture, pictures
from diana_anon.core.pixels.model import Finding, Region, Shape, Window

_TILE = 640
"""Pictures are read in tiles of this side: in larger ones the engine overlooks small text that stands alone."""
_OVERLAP = 128
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
    """Holds the models, about 300 MiB."""

    def __init__(self) -> None:
        self._engine: Any = RapidOCR(params=_PARAMETERS)

    def read(self, samples: bytes, shape: Shape, window: Window) -> list[Finding]:
        """See core.pixels.model.TextReader."""
        return joined(found for picture in pictures(samples, shape, window) for found in self._picture(picture))

    def _picture(self, picture: Picture) -> Iterator[Finding]:
        for top in _starts(picture.shape[0]):
            for left in _starts(picture.shape[1]):
                tile = np.ascontiguousarray(picture[top : top + _TILE, left : left + _TILE])
                if tile.min() == tile.max():
                    continue
                read = self._engine(tile, use_cls=False)
                if read.boxes is None:
                    continue
                for box, text, score in zip(read.boxes, read.txts, read.scores, strict=True):
                    yield Finding(0, _region(box, left, top), float(score), sum(map(str.isalnum, text)))


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


def _region(box: np.ndarray[tuple[int, ...], np.dtype[np.float32]], left: int, top: int) -> Region:
    """The upright rectangle around a box of four corners."""
    (x0, y0), (x1, y1) = np.floor(box.min(0)), np.ceil(box.max(0))
    return Region(left + int(x0), top + int(y0), left + int(x1) + 1, top + int(y1) + 1)
