"""The names of a cohort's records, and what is done with sorted streams of them.

A member's name is a line of text: Study, Series and SOP Instance UID as far as its level has them, or Patient ID and
its issuer, parted by tabs. A patient without Patient ID is named by its study as well, its Study Instance UID in the
third place: see `records.patient_key`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Member = tuple[str, ...]
"""The parts of a name."""

Sort = Callable[[Iterable[bytes]], Iterator[bytes]]
"""Takes all names, and then gives them back in the order of their bytes; as many as there are in little memory."""

# So that a part can hold what parts and ends names: no conforming value does.
_ESCAPED = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}
_ESCAPES = str.maketrans(_ESCAPED)
_PLAIN = {escape: plain for plain, escape in _ESCAPED.items()}


def name_of(member: Member) -> bytes:
    """The name, UTF-8, without the line feed that ends it."""
    return "\t".join(part.translate(_ESCAPES) for part in member).encode()


def member_of(name: bytes) -> Member:
    """And back."""
    return tuple(_plain(part) for part in name.decode().split("\t"))


def _plain(part: str) -> str:
    if "\\" not in part:
        return part
    text, place = "", 0
    while place < len(part):
        width = 2 if part[place] == "\\" else 1
        one = part[place : place + width]
        text += _PLAIN.get(one, one)
        place += width
    return text


@dataclass(slots=True)
class Digest:
    """Of names in order: their number, and SHA-256 over them, each ended by a line feed."""

    count: int = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def update(self, names: Sequence[bytes]) -> None:
        """Take in the next names."""
        self.count += len(names)
        self._hash.update(b"".join(name + b"\n" for name in names))

    def value(self) -> bytes:
        """32 bytes."""
        return self._hash.digest()


def pieces(names: Iterable[bytes], most: int, most_bytes: int) -> Iterator[list[bytes]]:
    """The names in lists of at most so many, and of about so many bytes."""
    piece: list[bytes] = []
    size = 0
    for name in names:
        piece.append(name)
        size += len(name)
        if len(piece) == most or size >= most_bytes:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def merged(first: Iterator[bytes], second: Iterator[bytes]) -> Iterator[tuple[bytes, bool, bool]]:
    """The names of two sorted streams in order, each with whether the first and the second has it."""
    one, other = next(first, None), next(second, None)
    while one is not None or other is not None:
        in_first = one is not None and (other is None or one <= other)
        in_second = other is not None and (one is None or other <= one)
        name = one if in_first else other
        yield name or b"", in_first, in_second
        if in_first:
            one = next(first, None)
        if in_second:
            other = next(second, None)
