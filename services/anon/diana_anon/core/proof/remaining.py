"""The free text that stands in a de-identified object: what a person should read before it leaves."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from diana_anon.core.ports import Piece
from diana_common.conditions import Header
from diana_common.dicom.limits import DEFAULT_LIMITS
from diana_common.dicom.read import read_from
from diana_common.dicom.source import ReadSource
from diana_common.values import PersonName

_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_OURS = ("(0012,0063)", "(0012,0064)")
"""De-identification Method and its code sequence."""


def free_text(pieces: Sequence[Piece]) -> Iterator[tuple[str, str]]:
    """The path, with item numbers, and the text of every value of a text VR in a new object's header.

    Raises what `diana_common.header.scan` raises.
    """
    reader = _Pieces(pieces)
    header = read_from(ReadSource(reader.read, reader.size, DEFAULT_LIMITS), DEFAULT_LIMITS)
    return _texts(json.loads(header.dicom_json))


def _texts(header: Header) -> Iterator[tuple[str, str]]:
    pending: list[tuple[str, Mapping[str, Any]]] = [("", header)]
    while pending:
        within, data_set = pending.pop()
        for tag, element in data_set.items():
            path = f"{within}({tag[:4]},{tag[4:]})"
            if path in _OURS:
                continue
            values = element.get("Value", ())
            if element.get("vr") == "SQ":
                pending += [(f"{path}[{number}].", item) for number, item in enumerate(values)]
            elif element.get("vr") in _TEXT_VRS:
                yield from ((path, text) for text in map(_text, values) if text)


def _text(value: object) -> str:
    text = str(PersonName.from_json(value)) if isinstance(value, Mapping) else str(value or "").strip()
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair can be kept nowhere


class _Pieces:
    """Pieces in a row, read at any place without joining them."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._views = [memoryview(piece) for piece in pieces if len(piece)]
        self._starts = [0, *accumulate(map(len, self._views))]
        self.size = self._starts[-1]

    def read(self, offset: int, count: int) -> bytes:
        """So many bytes from `offset`, fewer at the end."""
        first = max(0, bisect_right(self._starts, offset) - 1)
        found = []
        for (start, end), view in zip(pairwise(self._starts[first:]), self._views[first:], strict=False):
            if start >= offset + count:
                break
            found.append(view[max(0, offset - start) : min(end, offset + count) - start])
        return b"".join(found)
