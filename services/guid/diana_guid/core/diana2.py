"""Scheme `diana2`: byte for byte the identities of the older system, for projects that must go on.

Its outputs can be inverted. The id is a plain SHA-1 of name, birth date and sex, so that who guesses
a person can check the guess; and the shifts of the birth date and of all times are seeded from the
id, which is published: anyone can take them back. Names are reduced to a-z and 0-9, so that those
written without these are all alike. Choose `keyed` for anything new.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import tee

from diana_guid.core import base32
from diana_guid.core.names import names_by_initial
from diana_guid.core.subject import Identity, Subject, birth_date_of, bounded, moved, sex_letter, subject_invalid

_SHIFT_DAYS = 90
_SHIFT_SECONDS = 3600
_LETTERS = 26
_NOT_WORD = re.compile("[^a-z0-9]+")


class Diana2Scheme:
    """Mints as the older system did; it has no key and no options."""

    key_version = 0
    may_collide = True

    def mint(self, subject: Subject) -> Identity:
        """The subject's identity. Raises SUBJECT_INVALID without a name, or a birth date or age on the calendar."""
        birth_date = birth_date_of(subject)
        if birth_date is None:
            raise subject_invalid("birth_date", "is needed by scheme diana2, or an age and its reference date")
        if not subject.name.strip("\0 "):
            raise subject_invalid("name", "is needed by scheme diana2")
        sex = sex_letter(subject.sex)
        new_id = _new_id("|".join([_name_key(subject.name), birth_date.isoformat(), sex]))
        for_shift, for_name = tee(_words(new_id))
        days, seconds = _shift(for_shift)
        return Identity(
            id=new_id,
            name=_new_name(for_name, new_id, sex),
            birth_date=moved(birth_date, days),
            time_offset=timedelta(days=days, seconds=seconds),
        )


def _name_key(name: str) -> str:
    return "-".join(sorted(filter(None, _NOT_WORD.split(bounded(name, "name").lower()))))


def _new_id(key: str) -> str:
    digest = hashlib.sha1(key.encode("ascii"), usedforsecurity=False).digest()
    while not _begins_with_letters(digest):
        digest = hashlib.sha1(digest, usedforsecurity=False).digest()
    return base32.encode(digest)


def _begins_with_letters(digest: bytes) -> bool:
    """Whether the first three characters in base32 are A to Z: 0 to 25."""
    bits = digest[0] << 8 | digest[1]
    return bits >> 11 < _LETTERS and bits >> 6 & 31 < _LETTERS and bits >> 1 & 31 < _LETTERS


def _words(new_id: str) -> Iterator[int]:
    """The 32-bit words of a Mersenne Twister seeded with the id, without end."""
    draws = random.Random(new_id)
    return iter(partial(draws.getrandbits, 32), None)


def _below(words: Iterator[int], limit: int) -> int:
    """The next number below `limit`, as CPython drew it when the older system ran: top bits, tried until they fit.

    Spelled out because Python promises the words of a seed for ever, but not what `randint` makes of them.
    """
    shift = 32 - limit.bit_length()
    while (number := next(words) >> shift) >= limit:
        pass
    return number


def _shift(words: Iterator[int]) -> tuple[int, int]:
    # The older system seeded anew for each draw: the birth date's shift is the days of the time offset.
    days = _below(words, 2 * _SHIFT_DAYS + 1) - _SHIFT_DAYS
    return days, _below(words, 2 * _SHIFT_SECONDS + 1) - _SHIFT_SECONDS


def _new_name(words: Iterator[int], new_id: str, sex: str) -> str:
    last = names_by_initial("last")[new_id[0]]
    first = names_by_initial("female" if sex == "F" else "male")[new_id[1]]
    return f"{last[_below(words, len(last))]}^{first[_below(words, len(first))]}^{new_id[2]}"
