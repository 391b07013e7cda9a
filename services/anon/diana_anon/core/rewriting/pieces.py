"""What a rewritten data set is made of: spans of the source that stay, and bytes that are new."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
"""First byte and the byte after the last, in the source."""

Part: TypeAlias = Span | bytes | memoryview
"""A memoryview is for new bytes of any length, which are not copied."""


def size(parts: Iterable[Part]) -> int:
    """Bytes in all."""
    return sum(part[1] - part[0] if isinstance(part, tuple) else len(part) for part in parts)


def joined(parts: Iterable[Part], source: memoryview) -> list[bytes | memoryview]:
    """The parts as pieces, neighbours together: spans that touch as one view of the source, new bytes as one."""
    pieces: list[bytes | memoryview] = []
    new: list[bytes] = []
    start = end = 0
    for part in parts:
        if not isinstance(part, tuple):
            if end > start:
                pieces.append(source[start:end])
                start = end = 0
            if isinstance(part, memoryview):
                pieces += [b"".join(new), part] if new else [part]
                new = []
            else:
                new.append(part)
        elif part[0] == end and end > start:
            end = part[1]
        else:
            if end > start:
                pieces.append(source[start:end])
            start, end = part
            if new:
                pieces.append(b"".join(new))
                new = []
    if end > start:
        pieces.append(source[start:end])
    return [*pieces, b"".join(new)] if new else pieces
