"""Where the words of known identifiers stand in a text: in any order and case, joined by anything or by nothing.

A word may also be spelled letter by letter (M I L L E R, M.i.l.l.e.r), whatever but letters and digits is between.
"""

from __future__ import annotations

import re
from datetime import date
from itertools import accumulate

from diana_anon.core.text.forms import is_measured
from diana_anon.core.text.identifiers import Identifiers
from diana_anon.core.text.words import Word, is_common

Span = tuple[int, int]

_GAP = 3
"""Characters that may part the words of one name or number: ", " or " - "."""
_SLASHES = ("/", "+", "&")
_SEPARATE = re.compile(r"[\r\n\f\\\w]")
_LETTER = re.compile(r"[^\W_]")
_PARTS = re.compile(r"[A-Z]?[a-z]{1,64}+|[A-Z]{1,64}(?![a-z])|[^\W\d_]{1,64}+|\d{1,64}+")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]{4,64}")
_CYRILLIC_VOWELS = "аеиоуыьэюя"
_ARABIC = re.compile(r"[\u0600-\u06ff]{3,64}")
_SHORT_WORD, _SHORT_NUMBER, _LONG_NUMBER = 4, 6, 7
_TORN = 6
"""Letters of a name that is known in pieces of several, as MIL LER."""
_LONGEST_SPELLED = 64
_NUMBERED = re.compile(r"([a-z]{3,16})(\d{4,16})")
"""How numbers of orders and patients are written: ABC01234."""


class Matcher:
    """Finds one set of identifiers. The time is linear in the text, however many they are."""

    def __init__(self, identifiers: Identifiers) -> None:
        self._people = identifiers.people
        self._beside = identifiers.beside
        self._words = identifiers.people | identifiers.codes | identifiers.places
        self._forms = frozenset(filter(None, map(_form, identifiers.codes)))
        self._runs = identifiers.runs
        spelled = (word for word in self._words if len(word) <= _LONGEST_SPELLED)
        self._prefixes = frozenset(prefix for run in (*self._runs, *spelled) for prefix in accumulate(run))
        self._stems = frozenset(
            stem
            for word in self._people
            if _CYRILLIC.fullmatch(word) and len(stem := word.rstrip(_CYRILLIC_VOWELS)) > 2
        )
        self._dates = _written(identifiers)

    def spans(self, text: str, found: list[Word]) -> list[Span]:
        """The places of identifiers in a text whose words have been found; some may overlap."""
        spans: list[Span] = []
        index = 0
        while index < len(found):
            last, here, is_name = self._at(text, found, index)
            spans += here
            if is_name:
                spans += self._neighbours(text, found, index, last)
            index = last + 1
        return spans

    def dates(self, found: list[Word]) -> list[tuple[Word, date, str]]:
        """Words of six or eight digits that write a known date, and how: the format of `strftime`."""
        return [(word, *self._dates[word.text]) for word in found if word.text in self._dates]

    def _at(self, text: str, found: list[Word], index: int) -> tuple[int, list[Span], bool]:
        """What starts at a word: the last word of it, its places, and whether it is a name."""
        word = found[index]
        last = self._run(text, found, index) if word.text in self._prefixes else None
        if last is not None:
            return last, [(word.start, _with_stop(text, found[last])[1])], not word.text.isdigit()
        if word.text in self._words:
            if word.text.isdigit() and len(word.text) < _SHORT_NUMBER and _is_measure(text, word):
                return index, [], False
            return index, [(word.start, _genitive(text, word.end))], word.text in self._people
        if self._forms and _form(word.text) in self._forms:
            return index, [(word.start, word.end)], False  # the number of an earlier order
        parts = self._parts(text, word)
        return index, parts, bool(parts)

    def _run(self, text: str, found: list[Word], index: int) -> int | None:
        """The last word of the longest run of identifiers that starts at a word."""
        run, last, end = "", None, len(found)
        for number in range(index, end):
            if number > index and not _follows(text, found[number - 1], found[number]):
                break
            run += found[number].text
            if run not in self._prefixes:
                break
            if (run in self._runs or run in self._words) and self._is_known(run, found[index : number + 1]):
                last = number
        return last

    def _is_known(self, run: str, pieces: list[Word]) -> bool:
        """Whether pieces that make a known run or word are one: a word in its letters, or torn apart if it is a name.

        What common words make is no name.
        """
        if len(pieces) > 1 and run.isdigit() and len(run) < _LONG_NUMBER:
            return False
        if run in self._runs or len(pieces) == 1:
            return run in self._runs
        torn = run in self._people and len(run) >= _TORN and not all(is_common(piece.text) for piece in pieces)
        return torn or len(pieces) == len(run)

    def _parts(self, text: str, word: Word) -> list[Span]:
        """The names and numbers within a word: inflected, or glued to something else."""
        if self._is_inflected(word.text):
            return [(word.start, word.end)]
        if not word.text.isascii() or len(word.text) <= _SHORT_WORD:
            return []
        parts = ((part.span(), part[0].lower()) for part in _PARTS.finditer(text, word.start, word.end))
        known = [(span, part) for span, part in parts if part in self._words and len(part) >= _SHORT_WORD]
        if all(part.isdigit() for _, part in known):  # no name beside them: short numbers may be anything
            known = [(span, part) for span, part in known if len(part) >= _SHORT_NUMBER]
        return [span for span, _ in known]

    def _is_inflected(self, word: str) -> bool:
        if word.isascii():
            return len(word) > 4 and word[-1] == "s" and word[:-1] in self._people
        if _CYRILLIC.fullmatch(word):
            return any(word[:cut] in self._stems for cut in range(max(3, len(word) - 3), len(word) + 1))
        if _ARABIC.fullmatch(word):
            return word[1:] in self._people or word[2:] in self._people
        return False

    def _neighbours(self, text: str, found: list[Word], first: int, last: int) -> list[Span]:
        """Short words of a name and initials on both sides of it."""
        spans = []
        before, after = first - 1, last + 1
        while before >= 0 and self._belongs(text, found, before, before + 1):
            spans.append(_with_stop(text, found[before]))
            before -= 1
        while after < len(found) and self._belongs(text, found, after, after - 1):
            spans.append(_with_stop(text, found[after]))
            after += 1
        return spans

    def _belongs(self, text: str, found: list[Word], index: int, beside: int) -> bool:
        """Whether a short word belongs to the name beside it.

        A lone letter after a name may be a side (L, R), and one after a slash part of a word (W/O).
        """
        word = found[index]
        if word.text not in self._beside or not _near(text, *sorted((found[beside], word), key=lambda one: one.start)):
            return False
        if len(word.text) > 1 or text[word.end : word.end + 1] == ".":
            return True
        if index < beside:
            return text[max(0, word.start - 1) : word.start] not in _SLASHES
        return text[found[beside].end : word.start] != " "


def _form(word: str) -> tuple[str, int] | None:
    """The letters and the count of digits of a number written so; None for other words."""
    numbered = _NUMBERED.fullmatch(word)
    return (numbered[1], len(numbered[2])) if numbered else None


def _near(text: str, word: Word, following: Word) -> bool:
    """Whether no more parts two words than the words of a name, or of a number."""
    gap = text[word.end : following.start]
    return len(gap) <= _GAP and not _SEPARATE.search(gap.replace("_", ""))


def _follows(text: str, word: Word, following: Word) -> bool:
    """Whether a word may be the next piece of a run: a single letter after whatever parts letters, or one that is near.

    Spaces do not count, however many.
    """
    gap = text[word.end : following.start]
    if len(word.text) == len(following.text) == 1:
        return not _LETTER.search(gap) and "\\" not in gap
    return len("".join(gap.split())) <= _GAP and not _SEPARATE.search(gap.replace("_", ""))


def _with_stop(text: str, word: Word) -> Span:
    """A word, an initial with its stop."""
    initial = word.end - word.start == 1 and text[word.end : word.end + 1] == "."
    return word.start, word.end + initial


def _genitive(text: str, end: int) -> int:
    """The end of a word with its 's."""
    return end + 2 if text[end : end + 2].lower() in ("'s", "’s") and not text[end + 2 : end + 3].isalnum() else end


def _is_measure(text: str, word: Word) -> bool:
    decimal = word.start > 1 and text[word.start - 1] in ".," and text[word.start - 2].isdigit()
    return decimal or is_measured(text, word.end)


def _written(identifiers: Identifiers) -> dict[str, tuple[date, str]]:
    """The ways to write the known dates in digits alone, the year last or of two digits."""
    spelled: dict[str, tuple[date, str]] = {}
    for day in sorted(identifiers.dates | identifiers.births):
        for order in ("%d%m%Y", "%m%d%Y", "%y%m%d", "%d%m%y", "%m%d%y"):
            spelled.setdefault(day.strftime(order), (day, order))
    return spelled
