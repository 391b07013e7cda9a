"""A text without what may hide its words: invisible characters left out, letters and digits of other forms plain.

Controls, soft hyphens and characters of no width part words for one reader and join them for another. So a text is
read both ways: as it stands, where they part words, and bare, where they are not there at all.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_ORDINARY = re.compile(r"[\t\n\r\f -~]*+")
_JAMO = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?+")
"""A Korean syllable taken apart."""
_SPACES = "\t\n\r\f"
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0\ufffd"
"""Letters that show nothing; U+FFFD is what headers have in place of NUL."""
_UNSEEN = frozenset(("Cc", "Cf", "Mc", "Me", "Mn"))
"""Controls, formats, and marks, which letters may be told apart by, and names need not be."""
_BRACKETS = "()"
_LETTER = re.compile("(?:CIRCLED|SQUARED) LATIN CAPITAL LETTER ([A-Z])|REGIONAL INDICATOR SYMBOL LETTER ([A-Z])")
"""The names of letters that Unicode has no plain form of."""


class Bare(NamedTuple):
    """The bare text; for each of its characters where those that it comes from start and end."""

    text: str
    starts: list[int]
    ends: list[int]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text itself stands what is between two places of the bare one."""
        return self.starts[start], self.ends[end - 1]


def bare(text: str) -> Bare | None:
    """The text bare; None if it is so already."""
    if _ORDINARY.fullmatch(text):
        return None
    pieces = [_PIECES[character] for character in text]
    for match in _JAMO.finditer(text):
        first, last = match.span()
        pieces[first:last] = [unicodedata.normalize("NFC", match[0]), *[""] * (last - first - 1)]
    new = "".join(pieces)
    if new == text:
        return None
    starts = [place for place, piece in enumerate(pieces) for _ in piece]
    return Bare(new, starts, _ends(pieces))


def _ends(pieces: list[str]) -> list[int]:
    """Where what each character comes from ends: with all that was left out after it."""
    ends: list[int] = []
    for place, piece in enumerate(pieces):
        if piece:
            ends += [place + 1] * len(piece)
        elif ends:
            ends[-1] = place + 1
    return ends


def readings(text: str) -> tuple[str, ...]:
    """The ways to read a text: as it stands and, if that is another, bare."""
    other = bare(text)
    return (text,) if other is None else (text, other.text)


class _Pieces(dict[str, str]):
    """Worked out for each character when first met; there are no more of them than Unicode has."""

    def __missing__(self, character: str) -> str:
        return self.setdefault(character, _piece(character))


def _piece(character: str) -> str:
    if character in _BLANKS or (character not in _SPACES and unicodedata.category(character) in _UNSEEN):
        return ""
    if letter := _LETTER.search(unicodedata.name(character, "")):
        return letter[1] or letter[2]
    plain = unicodedata.normalize("NFKC", character).strip(_BRACKETS)
    return plain if plain.isalnum() else character


_PIECES = _Pieces()
