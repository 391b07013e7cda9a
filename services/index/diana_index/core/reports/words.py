"""The words of full text: the one tokenizer, so that every database indexes and finds the same.

A database is fed these words with spaces between, and adds nothing: SQLite's FTS5 with
`unicode61 remove_diacritics 0` keeps each as one term, PostgreSQL takes each as a lexeme.

A word is a run of letters and digits without case and accents: "Crohn's" is two, "4.5" is "4" and "5"
(which a phrase finds side by side), "T2" is one. Scripts that put no spaces between words have a word a
character.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MAX_TEXT = 1 << 20
"""Characters of a text that are read; the rest has no words."""

MAX_WORD = 64
"""Characters of a word that count. At most 256 bytes: a lexeme of PostgreSQL may have 2,046."""

MAX_WORDS = 16_383
"""Words of a text. The rest is not searched."""

MAX_BYTES = 1_000_000
"""Bytes of a text's words, with what a tsvector adds to each; it holds 1,048,575."""

_BYTES_A_WORD = 5
"""What a tsvector adds to a lexeme at most."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f"
    "\uac00-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Chinese, Japanese and Korean; within these ranges only letters are words."""

_WORD = re.compile(rf"(?![^{_UNSPACED}])[^\W_]|[^\W_{_UNSPACED}]+")

_KANA_MARKS = "\u3099\u309a"
"""They make another letter of a kana, so that they aren't accents."""

_MARKS_ONCE = {*range(0x19B0, 0x19C1), 0x19C8, 0x19C9, 0x1CF2, 0x1CF3}
"""Letters that were marks until Unicode 8, as SQLite still has it."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that are asked for side by side."""

    words: tuple[str, ...]
    prefix: bool
    """Whether the last is only the beginning of a word."""


def words(text: str) -> list[str]:
    """The words of a text in order, within the bounds above. Any text has words, none fails."""
    found: list[str] = []
    size = 0
    for match in _WORD.finditer(_folded(text[:MAX_TEXT])):
        word = match[0][:MAX_WORD]
        size += len(word.encode()) + _BYTES_A_WORD
        if len(found) == MAX_WORDS or size > MAX_BYTES:
            break
        found.append(word)
    return found


def phrase(text: str) -> Phrase:
    """The words of a query's phrase; "*" right behind the last makes it a prefix. It may have no words."""
    asked = text.rstrip()
    before = asked.rstrip("*")
    found = tuple(words(before))
    open_end = before != asked and not before[-1:].isspace()
    return Phrase(found, prefix=open_end and bool(found) and len(found[-1]) < MAX_WORD)


def _folded(text: str) -> str:
    """Without case, accents and forms of presentation.

    Marks go first: ordering a long run of them is quadratic in `unicodedata`.
    """
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", _without_marks(text, _KANA_MARKS))
    folded = unicodedata.normalize("NFKD", letters.casefold())
    composed = unicodedata.normalize("NFC", _without_marks(folded, _KANA_MARKS))
    return _without_marks(composed, "")


def _without_marks(text: str, kept: str) -> str:
    marks = [char for char in set(text) if unicodedata.category(char)[0] == "M" or ord(char) in _MARKS_ONCE]
    return text.translate({ord(char): None for char in marks if char not in kept})
