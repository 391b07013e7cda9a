"""A program that knows everything but the key: code, configuration, all outputs, and one person in a hundred in full.

It guesses birth dates, and looks for any output that tells something of another.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt

from diana_guid.core import GuidMint, Subject
from diana_guid.core.key_tree import either_way

BOUND = 90
"""Days that birth dates and times move at most, as both schemes have it."""

_OLDEST, _DAYS = date(1935, 1, 1), 29_000


@dataclass(frozen=True, slots=True)
class Published:
    """What is out in the world of one person, and the time offset, which is not; dates as ordinals, offsets as days."""

    id: str
    last: str
    first: str
    middle: str
    born: int
    offset: int

    def shift(self, person: Subject) -> int:
        """By how many days the birth date was moved."""
        assert person.birth_date is not None
        return self.born - person.birth_date.toordinal()


Guess = Callable[[Published], int]
"""Guesses by how many days a birth date was moved."""

Feature = Callable[[Published], Hashable]


def people(count: int) -> list[Subject]:
    """Synthetic people, always the same, born evenly over 80 years."""
    draws = random.Random(6)
    return [
        Subject(
            patient_id=f"{number:07}",
            name=f"Family{number}^Given{number}",
            birth_date=_OLDEST + timedelta(days=draws.randrange(_DAYS)),
            sex=draws.choice("FM"),
        )
        for number in range(count)
    ]


def published(mint: GuidMint, domain: str, crowd: Iterable[Subject], key_version: int = 0) -> list[Published]:
    """What a domain publishes of people."""
    scheme, out = mint.scheme(domain, key_version), []
    for person in crowd:
        made = scheme.mint(person)
        assert made.birth_date is not None
        last, first, middle = made.name.split("^")
        out.append(Published(made.id, last, first, middle, made.birth_date.toordinal(), made.time_offset.days))
    return out


FEATURES: dict[str, Feature] = {
    "first character of the id": lambda one: one.id[0],
    "first two characters of the id": lambda one: one.id[:2],
    "last character of the id": lambda one: one.id[-1],
    "initial of the last name": lambda one: one.last[0],
    "initial of the first name": lambda one: one.first[0],
    "middle initial": lambda one: one.middle,
    "time offset": lambda one: one.offset,
    "day of the week": lambda one: one.born % 7,
    "time offset and day of the week": lambda one: (one.offset, one.born % 7),
    "last name": lambda one: one.last,
    "first name": lambda one: one.first,
}


def guesses(known: Sequence[tuple[Published, Subject]]) -> dict[str, Guess]:
    """All ways of guessing a birth date's shift: from the code as it is read, and learnt from people who are known."""
    ways: dict[str, Guess] = {
        "no shift": lambda one: 1,
        "seeded with the id": lambda one: random.Random(one.id).randint(-BOUND, BOUND),
        "digest of the id": lambda one: _of_digest(one.id),
        "digest of the name": lambda one: _of_digest(f"{one.last}^{one.first}^{one.middle}"),
        "the time offset": lambda one: one.offset,
        "the time offset, the other way": lambda one: -one.offset,
    }
    return ways | {f"learnt by {name}": _learnt(known, feature) for name, feature in FEATURES.items()}


def _of_digest(text: str) -> int:
    return either_way(BOUND, int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def _learnt(known: Sequence[tuple[Published, Subject]], feature: Feature) -> Guess:
    """The commonest shift of those who are known and share a feature."""
    seen: defaultdict[Hashable, Counter[int]] = defaultdict(Counter)
    for one, person in known:
        seen[feature(one)][one.shift(person)] += 1
    best = {value: counts.most_common(1)[0][0] for value, counts in seen.items()}
    return lambda one: best.get(feature(one), 1)


def hits(guess: Guess, crowd: Iterable[tuple[Published, Subject]]) -> tuple[int, int]:
    """For how many people the guess is right to the day, and for how many to the week (seven days either way)."""
    off = Counter(abs(guess(one) - one.shift(person)) for one, person in crowd)
    return off[0], sum(off[days] for days in range(8))


def most_by_chance(count: int, chance: float) -> float:
    """What a guess that knows nothing exceeds once in 3.5 million: five standard deviations above the mean."""
    return count * chance + 5 * sqrt(count * chance * (1 - chance))


def dependence(pairs: Iterable[tuple[Hashable, Hashable]]) -> float:
    """How far two things depend on one another: chi-squared as standard deviations from what independence gives.

    Within 5 for what is independent; thousands for what decides the other.
    """
    cells = Counter(pairs)
    rows, columns = Counter[Hashable](), Counter[Hashable]()
    for (row, column), count in cells.items():
        rows[row] += count
        columns[column] += count
    total = rows.total()
    # Cells that nobody is in add their expected count: all expected counts sum up to the total.
    chi = total * (sum(n * n / (rows[row] * columns[column]) for (row, column), n in cells.items()) - 1)
    degrees = (len(rows) - 1) * (len(columns) - 1)
    return (chi - degrees) / sqrt(2 * degrees)
