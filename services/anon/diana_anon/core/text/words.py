"""Words as they are compared: without case, accents and width.

A script that puts no spaces between words (Chinese, Japanese, Korean names with particles, Thai) is compared character
by character: each is a word of its own.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\u3099\u309a\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef"
)
"""What may stand inside a word without being a letter of it: accents, vowel points, variants."""
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3005\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_UNSPACED}][{_MARKS}]*+|(?:[^\W_{_UNSPACED}][{_MARKS}]*+)++")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_LATIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})
"""Letters with strokes, which Unicode does not take apart."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


_SEVERAL = 4


class Word(NamedTuple):
    """A word as it is compared, and where it stands in the text."""

    text: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """The words of a text in order: runs of letters and digits, single characters of unspaced scripts."""
    if text.isascii():
        return [Word(match[0].lower(), match.start(), match.end()) for match in _WORD.finditer(text)]
    found = (Word(folded(match[0]), match.start(), match.end()) for match in _WORD.finditer(text))
    return [word for word in found if word.text]  # some vowel signs are letters by themselves, and fold to nothing


@lru_cache(maxsize=4096)
def folded(word: str) -> str:
    """A word as it is compared: MÜLLER, Müller and muller are one."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", word)
    plain = "".join(c for c in apart if unicodedata.category(c) not in ("Mn", "Me", "Cf") and c != "\u0640")
    return unicodedata.normalize("NFKC", plain).casefold().translate(_LATIN)


def spellings(word: str) -> frozenset[str]:
    """The folded spellings of one word of a name: Müller is muller and mueller."""
    composed = unicodedata.normalize("NFC", word).casefold()
    return frozenset({folded(word), folded(composed.translate(_UMLAUTS))} - {""})


def is_unspaced(text: str) -> bool:
    """Whether a text holds a character of a script without spaces."""
    return _IS_UNSPACED.search(text) is not None


def is_common(word: str) -> bool:
    """Whether a folded word is one of the standard's own: of the names in PS3.6, of the code meanings in PS3.16."""
    return word in _common()


def is_common_start(word: str) -> bool:
    """Whether several of the standard's own words start so: neuro, cardio, ortho."""
    listed = _listed()
    first = bisect_left(listed, word)
    return first + _SEVERAL <= len(listed) and listed[first + _SEVERAL - 1].startswith(word)


@cache
def _listed() -> tuple[str, ...]:
    return tuple(sorted(_common()))


@cache
def _common() -> frozenset[str]:
    return frozenset(files("diana_anon").joinpath("data", "words.txt").read_text("ascii").split())
