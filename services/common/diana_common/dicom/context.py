"""How the elements of a data set are encoded, and the memory of elements rendered before.

Files of one series repeat most of their elements byte for byte, so that the JSON of a short element is
kept by its encoded bytes (tag, VR, length and value) and looked up before anything is parsed. Elements that
were met one after the other are kept as a run, by the first of them. What is kept depends on nothing but those
bytes and the context, so that it never changes an answer.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from diana_common.dicom.charset import repertoire
from diana_common.dicom.render import RENDERERS

KEPT_BYTES = 128
"""Longest value whose element is remembered."""
KEPT_SEQUENCE_BYTES = 512
"""Longest sequence that is remembered whole."""
_KEPT_COUNT = 8192
_RUN_BYTES = 8192
_RUN_COUNT = 512


class Context:
    """How the elements of one data set are encoded, and what has been rendered of such before."""

    __slots__ = (
        "charset",
        "head",
        "implicit",
        "item",
        "length",
        "order",
        "rendered",
        "renderers",
        "repertoire",
        "runs",
        "sequences",
    )

    def __init__(self, charset: bytes, implicit: bool, order: str) -> None:
        self.charset = charset
        self.implicit = implicit
        self.order = order
        self.renderers = RENDERERS[order]
        self.repertoire = repertoire(charset)
        self.rendered: dict[bytes, str] = {}
        self.sequences: dict[bytes, tuple[str, int]] = {}
        self.runs: dict[bytes, tuple[bytes, list[str]]] = {}
        self.head = struct.Struct(order + ("HHI" if implicit else "HH2sH")).unpack_from
        self.length = struct.Struct(order + "I").unpack_from
        self.item = struct.Struct(order + "HHI").unpack_from

    def keep(self, raw: bytes, fragment: str) -> None:
        """Remember what an element's bytes render to."""
        if len(self.rendered) >= _KEPT_COUNT:
            self.rendered.clear()
        self.rendered[raw] = fragment

    def keep_run(self, first: bytes, rest: bytes, fragments: list[str]) -> None:
        """Remember what came after an element: its bytes, and what they render to."""
        if len(fragments) > 1 and len(rest) <= _RUN_BYTES:
            if len(self.runs) >= _RUN_COUNT:
                self.runs.clear()
            self.runs[first] = rest, fragments

    def keep_sequence(self, raw: bytes, known: tuple[str, int]) -> None:
        """Remember what a sequence's bytes render to, and how many elements and items that is."""
        if len(self.sequences) >= _KEPT_COUNT:
            self.sequences.clear()
        self.sequences[raw] = known


@lru_cache(maxsize=16)
def context(charset: bytes, implicit: bool, order: str) -> Context:
    """The context for a raw Specific Character Set, VR encoding and byte order (`<` or `>`)."""
    return Context(charset, implicit, order)
