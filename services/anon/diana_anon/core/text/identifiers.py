"""What tells whom a study is about, as its headers say it: names, ids, dates, places and UIDs.

Which attributes count follows from Table E.1-1 (`attributes`), how their words count is decided here:

- A word of a person's name of four letters or more is struck wherever it stands, even if it is also a word of
  anatomy: for a patient named Brain, "brain" goes from the free text, and coded attributes still say it.
- A shorter one counts alone only if it is a whole component of the name (KIM^...) and no word of the standard's own.
  Others (LI^..., van der, initials) are struck only beside another word of a name.
- Of ids, addresses and phone numbers: words with a digit, of four characters or more, and the whole run of characters
  however it is spaced. A number of fewer than six digits counts only if it is the whole id.
- Of those and of institutions: words of four letters or more that are none of the standard's own, nor the start of
  several (neuro): of "General Hospital Springfield" the last alone, and the three in a row.
- Of devices: words with a digit, and station names and AE titles as above.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache
from itertools import permutations
from typing import Any

from diana_anon.core.ports import Whole
from diana_anon.core.profile import Profile
from diana_anon.core.rewriting.uids import WELL_KNOWN
from diana_anon.core.text.attributes import DATED, Kind
from diana_anon.core.text.bare import readings
from diana_anon.core.text.titles import TITLES
from diana_anon.core.text.told import told
from diana_anon.core.text.words import is_common, is_common_start, is_unspaced, spellings, words
from diana_common.conditions import Header
from diana_common.values import parse_date

_REMEMBERED = 64 * 1024
"""Characters of values the words of which are remembered."""
_LONGEST_RUN = 128
"""Characters of words that are known in a row; the words themselves are known in any case."""
_LONGEST_COMPONENT = 4 * _LONGEST_RUN
_PROSE = 12
"""A value of more words is prose, of which only what has digits is taken."""
_LETTERS, _RUN, _NUMBER = 4, 5, 6
_SHORTEST_UID = 9
_NAMES = 6
"""Words of a name that are joined with one another."""
_LONGEST_DATE = 26
_NO_DATE = re.compile("[^0-9]")
_UNWORDED = DATED | {Kind.UID}


@dataclass(frozen=True, slots=True, repr=False)
class Identifiers:
    """A set of identifiers, joined by `|`. Words are folded (`words.folded`). It has no repr: it is patient data."""

    people: frozenset[str] = frozenset()
    """Words of names, struck wherever they stand."""
    beside: frozenset[str] = frozenset()
    """Short words of names and initials, struck beside another word of a name."""
    codes: frozenset[str] = frozenset()
    """Words with digits: ids, numbers of orders, houses, phones, devices."""
    places: frozenset[str] = frozenset()
    """Words of institutions, addresses, stations."""
    runs: frozenset[str] = frozenset()
    """Several words without what separates them: names in every order, phone numbers, an institution's full name."""
    dates: frozenset[date] = frozenset()
    """Dates that may be moved."""
    births: frozenset[date] = frozenset()
    """Dates that no option moves or retains, a birth date first of all."""
    uids: frozenset[str] = frozenset()
    stamps: frozenset[tuple[int, str]] = frozenset()
    """Dates of the top level as they are written, each with its attribute's tag."""

    def __or__(self, other: Identifiers) -> Identifiers:
        """Those of both; the very same object if the other adds nothing."""
        if other <= self:
            return self
        return Identifiers(*(_joined(getattr(self, one.name), getattr(other, one.name)) for one in fields(Identifiers)))

    def __le__(self, other: Identifiers) -> bool:
        """Whether the other has all of these."""
        return self is other or all(getattr(self, one.name) <= getattr(other, one.name) for one in fields(Identifiers))


def _joined(one: frozenset[Any], other: frozenset[Any]) -> frozenset[Any]:
    """Both together: the very same set where that is one of them, whose hash is known."""
    return one if other <= one else other if one <= other else one | other


NOBODY = Identifiers()
"""No identifiers: only patterns are struck."""

_Found = tuple[Kind, str]


def gathered(header: Header, profile: Profile | None = None, source: Whole | None = None) -> Identifiers:
    """The identifiers in a header (DICOM JSON), at any depth, in up to 4 MiB of text.

    With a profile, without those in attributes that its options retain or its overrides keep. With the header's own
    file, also those in values so long that the header only refers to them; raises NOT_DEIDENTIFIABLE if there is more
    text, or a value that cannot be had.
    """
    found = told(header, profile, source)
    worded = _worded(frozenset((kind, text) for kind, text, _ in found if kind not in _UNWORDED))
    stamps = [(kind, tag, text) for kind, text, tag in found if kind in DATED]
    return Identifiers(
        people=worded.people,
        beside=worded.beside,
        codes=worded.codes,
        places=worded.places,
        runs=worded.runs,
        dates=frozenset(_days(text for kind, _, text in stamps if kind is Kind.DATE)),
        births=frozenset(_days(text for kind, _, text in stamps if kind is Kind.BIRTH)),
        uids=frozenset(text for kind, text, _ in found if kind is Kind.UID and _is_own(text)),
        stamps=frozenset((int(tag, 16), text) for _, tag, text in stamps if tag),
    )


def _is_own(uid: str) -> bool:
    """Whether a UID is long enough to be of one thing alone, and not of the standard's."""
    return len(uid) >= _SHORTEST_UID and uid not in WELL_KNOWN


def named(names: Iterable[str], births: Iterable[date] = ()) -> Identifiers:
    """Identifiers that somebody lists: names of people, in DICOM's form or not, ids, anything else to strike."""
    listed = list(names)
    whole = _worded(frozenset((kind, name) for name in listed for kind in (Kind.PERSON, Kind.ID)))
    single = {word for name in listed if len(found := words(name)) == 1 and len(word := found[0].text) > 1}
    return whole | Identifiers(
        people=frozenset(single),
        births=frozenset(births),
        dates=frozenset(_days(listed)),
    )


@lru_cache(maxsize=4096)
def _day(text: str) -> date | None:
    """The day of a DA or DT value."""
    return parse_date(text) or parse_date(_NO_DATE.split(text.strip(), maxsplit=1)[0][:8])


def _days(values: Iterable[str]) -> Iterator[date]:
    return filter(None, (_day(value) for value in values if len(value) <= _LONGEST_DATE))


def _worded(found: frozenset[_Found]) -> Identifiers:
    """The words of names, ids, places and devices; instances of a study share these, and they are remembered."""
    long = sum(len(text) for _, text in found) > _REMEMBERED
    return _read.__wrapped__(found) if long else _read(found)


@lru_cache(maxsize=256)
def _read(found: frozenset[_Found]) -> Identifiers:
    worded = [
        _person(reading) if kind is Kind.PERSON else _written(kind, reading)
        for kind, text in found
        for reading in readings(text)
    ]
    joined = (frozenset().union(*(getattr(one, field.name) for one in worded)) for field in fields(Identifiers))
    return Identifiers(*joined)


def _person(name: str) -> Identifiers:
    """The words of one person name, of each component group (PS3.5 6.2.1)."""
    people: set[str] = set()
    beside: set[str] = set()
    runs: set[str] = set()
    for group in name.split("="):
        components = group.split("^")
        for component in components[:3]:
            strong, weak = _component(component)
            people |= strong
            beside |= weak
        for word in words(" ".join(components[3:])):
            if len(word.text) >= _LETTERS and word.text not in TITLES and not is_common(word.text):
                people.add(word.text)
        runs |= _orders(components[:3])
    return Identifiers(people=frozenset(people), beside=frozenset(beside - people), runs=frozenset(runs))


def _component(component: str) -> tuple[set[str], set[str]]:
    """The words of a component that count alone, and those that count beside others, with the initials."""
    found = [word for word in words(component) if word.text not in TITLES]
    spelled = "".join(word.text for word in found if len(word.text) == 1 and word.text.isalpha())
    strong = {spelled} if len(spelled) == len(found) >= _LETTERS and not is_unspaced(spelled) else set()
    weak: set[str] = set()
    for word in found:
        if not word.text or is_unspaced(word.text):
            continue
        alone = len(found) == 1
        if word.text.isdigit():
            strong.update({word.text} if len(word.text) >= (_LETTERS if alone else _NUMBER) else ())
            continue
        long = len(word.text) >= _LETTERS or (len(word.text) == 3 and alone and not is_common(word.text))
        weak.add(word.text[0])
        (strong if long else weak).update(spellings(component[word.start : word.end]))
    return strong, weak


def _orders(components: list[str]) -> set[str]:
    """The components written one after the other, in every order, and each by itself if it has several words."""
    parts = [spelled for component in components if (spelled := _together(component))]
    chosen: list[tuple[list[str], ...]] = [(part,) for part in parts]
    for first, second in permutations(parts, 2):
        chosen.append((first, second))
        if len(first[0]) >= _LETTERS and not is_unspaced(first[0]):
            initial = [second[0][0]]  # as in the names of accounts: jsmith, smithj
            chosen += [(first, initial), (initial, first)]
    chosen += permutations(parts, 3)
    runs = {"".join(part[spelling] for part in one) for one in chosen for spelling in (0, -1)}
    listed = [word.text for component in components for word in words(component) if word.text not in TITLES]
    runs.update("".join(pair) for pair in permutations(listed[:_NAMES], 2))
    long = (run for run in runs if len(run) >= _LETTERS or (is_unspaced(run) and len(run) > 1))
    return {run for run in long if len(run) <= _LONGEST_RUN}


def _together(component: str) -> list[str]:
    """The spellings of a component without spaces; none of one that is too long to be known in a row."""
    if len(component) > _LONGEST_COMPONENT:
        return []
    found = [word for word in words(component) if word.text not in TITLES]
    plain = "".join(word.text for word in found)
    umlauts = "".join(
        max(spellings(component[word.start : word.end]), key=lambda one: (len(one), one)) for word in found
    )
    return sorted({plain, umlauts}) if plain else []


def _written(kind: Kind, text: str) -> Identifiers:
    """The words of an id, an address, an institution, a device."""
    found = [word.text for word in words(text)]
    run = "".join(found)
    digits = any(map(str.isdigit, run))
    codes = {word for word in found if _is_code(word, alone=len(found) == 1)}
    names: set[str] = set()
    if kind is not Kind.DEVICE and len(found) <= _PROSE:
        names = {word for word in found if word.isalpha() and _tells(word, alone=len(found) == 1)}
    whole = 0 < len(found) <= _PROSE and len(run) >= (_RUN if digits else 2 * _LETTERS)
    whole = whole and (digits or len(found) > 1) and len(run) <= _LONGEST_RUN
    unspaced = is_unspaced(run) and 1 < len(run) <= _PROSE
    return Identifiers(
        codes=frozenset(codes), places=frozenset(names), runs=frozenset({run} if whole or unspaced else ())
    )


def _is_code(word: str, alone: bool) -> bool:
    if word.isdigit():
        return len(word) >= (_LETTERS if alone else _NUMBER)
    return len(word) >= _LETTERS and any(map(str.isdigit, word))


def _tells(word: str, alone: bool) -> bool:
    """Whether a word of letters tells of a place: no word of the standard's own, and no short one but by itself."""
    known = is_common(word) or (len(word) >= _LETTERS and is_common_start(word)) or is_unspaced(word)
    return len(word) >= (3 if alone else _LETTERS) and not known
