"""The last look at what was written: does an identifier of the source still stand in it?

The new file's bytes are read again (`written`) and held against the identifiers in the source's header
(`text.identifiers`): neither asks the engine what it did. What counts as a hit:

- A word of a person's name, an id or an institution, of four characters or more, as a whole word of any text.
- In text that the standard keeps (Manufacturer, Code Meaning): the same, but for words that are the standard's own, and
  words of places and stations; a station called SKYRA stands beside a model of that name.
- In a CS, if it is written as one: words with a digit alone, or two words that are not the standard's; a patient called
  HEADNECK is examined at the body part of that name.
- A long number in an IS or DS, a UID in any UI, a date in the attribute that had it. A date elsewhere may be another
  one that was moved there.
- In bytes of no known form, and in the segments of a compressed image that writers fill: words of six characters.
- In any text: a name or id spelled letter by letter (M I L L E R), a name of six letters or more in two pieces, one
  with invisible characters in it, and an escape sequence that no declared character set explains: what cannot be read
  may say anything.

What the engine itself writes is no hit: the identity, dummies, and the method.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from operator import add

from diana_anon.core.proof.written import Value, values_in
from diana_anon.core.rewriting.method import CODES, DATES_MODIFIED, IDENTITY_REMOVED, METHOD
from diana_anon.core.text.attributes import has_row
from diana_anon.core.text.bare import readings
from diana_anon.core.text.identifiers import Identifiers
from diana_anon.core.text.words import is_common, is_unspaced, words

_OWN = frozenset({CODES, DATES_MODIFIED, IDENTITY_REMOVED, METHOD, 0x00020012, 0x00020013})
"""Attributes whose values the engine makes, whatever the source."""
_DUMMIES = frozenset({"removed", "99removed", "http", "invalid", "19000101"})
_SHORTEST, _SHORTEST_IN_BYTES, _LONG_NUMBER = 4, 6, 7
_BYTES, _NUMBERS, _DAYS = frozenset({b"OB", b"UN"}), frozenset({b"DS", b"IS"}), frozenset({b"DA", b"DT"})
_FEW = 64
"""So many strings are looked for one by one; of more the text is taken apart."""
_WORD = re.compile(rb"[0-9a-z]{4,}")
_SMALL = re.sub(rb"[^0-9a-z]", b" ", bytes(range(256)).lower())
_LETTERS = re.sub(rb"[0-9]", b" ", _SMALL)
"""Small letters and digits, or letters alone; spaces in place of all else."""
_DATE = re.compile(r"(?<!\d)\d{4}[-/.]\d\d[-/.]\d\d(?!\d)")
_UID = re.compile(r"[0-9]+(?:\.[0-9]+){3,}+")
_ORDINARY = b"\t\n\r\f" + bytes(range(0x20, 0x7F))
_CODES = re.compile(rb"[A-Z0-9 _\\]*+\0?")
_NUL_WITHIN = re.compile(rb"\0[^\0\\]")
_ESCAPE = re.compile(rb"\x1b[ -/]*+[0-~]?")
_TORN = 6
_LONGEST_SPELLED = 32
_PRINTABLE = re.compile(rb"[\t\r\n\f\x1b -~\x80-\xff]*+")


@dataclass(frozen=True, slots=True, repr=False)
class _Sought:
    """The words that may not be found."""

    words: frozenset[str]
    exact: frozenset[str]
    """Of those, the words of people and ids, which count in text that the standard keeps."""
    lengths: dict[str, set[int]]
    """How long those are, by their first four characters."""
    encoded: frozenset[bytes]
    paired: frozenset[bytes]
    """What two neighbouring words make of a word that is spelled, or torn apart: the first letters, or all."""
    spelled: frozenset[str]
    """The dates with separators."""
    runs: frozenset[str]
    """Names in scripts without spaces."""


def leaks(
    identifiers: Identifiers,
    pieces: Sequence[bytes | memoryview],
    minted: Iterable[str] = (),
    retained: Set[int] = frozenset(),
) -> tuple[str, ...]:
    """The tag paths in a new file, such as "(0040,0275)[0].(0040,0009)", where a source's identifier still stands.

    `identifiers`: `gathered(header of the source, profile)`, which leaves out what the profile retains. `pieces` are
    the new Part 10 file's. `minted`: the new identity's id, name and birth date (DA), which are no leaks even if the
    source already had them. `retained`: tags of attributes that the profile keeps whatever they say. Empty: nothing was
    found. Raises NOT_DEIDENTIFIABLE if the new file cannot be read.
    """
    scan = _Scan(identifiers, frozenset(minted))
    values = [
        value
        for value in values_in(pieces)
        if not (value.tag in retained or value.tag in _OWN or (value.parents and value.parents[0][0] in _OWN))
    ]
    suspicious = scan.suspicious([value for value in values if value.vr not in _BYTES])
    near = (value for value in values if value.vr in _BYTES or (suspicious and scan.suspicious([value])))
    return tuple(dict.fromkeys(value.path for value in near if scan.leaks(value)))


@lru_cache(maxsize=64)
def _sought(
    people: frozenset[str],
    codes: frozenset[str],
    places: frozenset[str],
    runs: frozenset[str],
    days: frozenset[date],
    minted: frozenset[str],
) -> _Sought:
    """The words of a study: its instances share them."""
    ours = _DUMMIES.union(word.text for text in minted for word in words(text))
    exact = {word for word in people | codes if len(word) >= _SHORTEST} - ours
    known = exact | ({word for word in places if len(word) >= _SHORTEST} | {f"{day:%Y%m%d}" for day in days}) - ours
    return _Sought(
        words=frozenset(known),
        exact=frozenset(exact),
        lengths=_lengths(exact),
        encoded=frozenset(word.encode() for word in known),
        paired=frozenset(part.encode() for word in exact for part in (word[:2], word) if part.isalpha()),
        spelled=frozenset(f"{day:%Y}{mark}{day:%m}{mark}{day:%d}" for day in days for mark in "-/."),
        runs=frozenset(run for run in runs if is_unspaced(run)),
    )


def _lengths(sought: Iterable[str]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for word in sought:
        if len(word) <= _LONGEST_SPELLED:
            found.setdefault(word[:_SHORTEST], set()).add(len(word))
    return found


class _Scan:
    """One instance's identifiers, held against its values."""

    def __init__(self, known: Identifiers, minted: frozenset[str]) -> None:
        days = known.dates | known.births
        self._sought = _sought(known.people, known.codes, known.places, known.runs, days, minted)
        self._uids = known.uids
        self._stamps = {stamp for stamp in known.stamps if stamp[1] not in minted and stamp[1] not in _DUMMIES}

    def suspicious(self, values: Sequence[Value]) -> bool:
        """Whether any value needs a closer look: one set of words for all of them, as long as all is ASCII."""
        if any((value.tag, _ascii(value)) in self._stamps for value in values if value.vr in _DAYS):
            return True
        if not self._uids.isdisjoint(_ascii(value) for value in values if value.vr == b"UI"):
            return True
        blob = b"\\".join([value.raw for value in values if value.vr != b"UI" or b"\\" in value.raw])
        odd = blob.translate(None, _ORDINARY)
        if odd.strip(b"\0") or (odd and _NUL_WITHIN.search(blob)):
            return True
        if not self._sought.encoded.isdisjoint(blob.translate(_SMALL).split()):
            return True
        letters = blob.translate(_LETTERS).split()
        if not self._sought.paired.isdisjoint(map(add, letters, letters[1:])):
            return True
        text = blob.decode("ascii")
        if len(self._uids) + len(self._sought.spelled) > _FEW:
            return not self._uids.isdisjoint(_UID.findall(text)) or self._has_day(text)
        return any(uid in text for uid in self._uids) or any(day in text for day in self._sought.spelled)

    def leaks(self, value: Value) -> bool:
        """Whether an identifier stands in a value."""
        vr = value.vr
        if vr == b"UI":
            return not self._uids.isdisjoint(_ascii(value).split("\\"))
        if vr in _DAYS:
            return not value.parents and (value.tag, _ascii(value)) in self._stamps
        if vr in _NUMBERS:
            return any(len(one) >= _LONG_NUMBER and one in self._sought.words for one in _ascii(value).split("\\"))
        if vr in _BYTES and not _is_text(value.raw):
            return self._in_bytes(value.raw) or self._in_bytes(value.raw.replace(b"\0", b""))
        return self._in_text(value)

    def _in_text(self, value: Value) -> bool:
        if value.vr not in _BYTES and not value.text.explains(value.raw):
            return True
        texts = tuple(_texts(value))
        return any(self._says(value, text) for text in texts) or self._hides(texts)

    def _hides(self, texts: Iterable[str]) -> bool:
        """Whether an identifier is spelled, torn apart, or there in one reading only; words of the standard are not."""
        plain, *others = ([word.text for word in words(text)] for text in texts)
        hidden = {word for found in others for word in found}.difference(plain)
        for found in (plain, *others):
            hidden.update(_spelled(found, self._sought.lengths), _torn(found))
        return not self._sought.exact.isdisjoint(hidden)

    def _says(self, value: Value, text: str) -> bool:
        """Whether one reading of a value has an identifier."""
        found = [word.text for word in words(text)]
        if value.vr == b"CS" and _CODES.fullmatch(value.raw):
            known = {word for word in found if word in self._sought.exact}
            hit = any(not word.isalpha() for word in known) or sum(not is_common(word) for word in known) > 1
        elif _is_kept(value):
            hit = any(word in self._sought.exact and not is_common(word) for word in found)
        else:
            hit = not self._sought.words.isdisjoint(found) or self._has_day(text)
        return hit or not self._uids.isdisjoint(_UID.findall(text)) or self._has_run("".join(found))

    def _has_run(self, spaceless: str) -> bool:
        return any(run in spaceless for run in self._sought.runs)

    def _has_day(self, text: str) -> bool:
        return not self._sought.spelled.isdisjoint(_DATE.findall(text))

    def _in_bytes(self, raw: bytes) -> bool:
        found = (word for word in _WORD.findall(raw.lower()) if len(word) >= _SHORTEST_IN_BYTES)
        return not self._sought.encoded.isdisjoint(found)


def _is_kept(value: Value) -> bool:
    """Whether the standard keeps the attribute whatever it says."""
    return not (value.vr in _BYTES or value.tag & 0x10000 or has_row(value.tag))


def _texts(value: Value) -> Iterator[str]:
    """The ways to read a value; one with escapes also as a reader does who knows none."""
    yield from readings(value.text.decode(value.raw, name=value.vr == b"PN"))
    if b"\x1b" in value.raw:
        yield from readings(_ESCAPE.sub(b"", value.raw).decode("latin_1"))


def _spelled(found: Sequence[str], lengths: dict[str, set[int]]) -> Iterator[str]:
    """What words of a single letter may spell in a row, of the lengths that words with the same start have."""
    letters = "".join(word if len(word) == 1 and not is_unspaced(word) else " " for word in found)
    for row in letters.split():
        for start in range(len(row) - _SHORTEST + 1):
            for length in lengths.get(row[start : start + _SHORTEST], ()):
                word = row[start : start + length]
                if length >= _LONG_NUMBER or not word.isdigit():
                    yield word


def _torn(found: Sequence[str]) -> Iterator[str]:
    """Words in two pieces, which are not both the standard's own."""
    for first, second in pairwise(found):
        word = first + second
        if _TORN <= len(word) <= _LONGEST_SPELLED and word.isalpha() and not (is_common(first) and is_common(second)):
            yield word


def _is_text(raw: bytes) -> bool:
    """Whether bytes of no known form look like text: none that text has not."""
    head = raw[:4096].rstrip(b"\0")
    return bool(head) and _PRINTABLE.fullmatch(head) is not None


def _ascii(value: Value) -> str:
    return value.raw.decode("latin_1").strip(" \0")
