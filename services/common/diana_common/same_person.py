"""Whether two subjects that get one pseudonym are one person, as far as their headers tell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from diana_common.errors import DianaError, Reason

_NOT_ASCII_WORD = re.compile("[^a-z0-9]+")


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """What tells people apart; what is not known is empty. It has no repr: whoever shows one shows nothing.

    `key` is the Patient ID with its issuer, `name` the words of the name. All are compared only: digests do as well.
    """

    key: str
    name: frozenset[str]
    birth_date: str

    def masked(self, digest: Callable[[str, str], str]) -> Person:
        """The same person in digests of (what it is, its text); what is not known stays empty."""
        return Person(
            key=self.key and digest("key", self.key),
            name=frozenset(digest("word", word) for word in self.name),
            birth_date=self.birth_date and digest("birth_date", self.birth_date),
        )


def make_person(patient_id: str, issuer: str, name: str, birth_date: date | None) -> Person:
    """A person by the values of a header, in the forms that are compared.

    Patient ID and issuer without padding in Unicode form NFC, as the mint reads them; the name's words whatever their
    order, case and punctuation.
    """
    plain_id = _plain(patient_id)
    key = f"{len(plain_id)} {plain_id} {_plain(issuer)}" if plain_id else ""
    return Person(key, frozenset(_words(name)), birth_date.isoformat() if birth_date else "")


def check_same_person(known: Person, other: Person, shared_ids: bool = False) -> None:
    """Raises IDENTITY_COLLISION unless two who get one pseudonym are one person.

    With the same Patient ID and issuer they are, but not if both the names and the birth dates contradict one another
    (what is missing, or is part of the other, contradicts nothing): then two people share an id, which `shared_ids`
    lets pass. With another Patient ID they are one if name and birth date are known and equal; without any, if these
    are equal.
    """
    if known.key and known.key == other.key:
        same_name = known.name <= other.name or other.name <= known.name
        same_birth_date = known.birth_date == other.birth_date or not (known.birth_date and other.birth_date)
        if not (same_name or same_birth_date or shared_ids):
            raise DianaError(Reason.IDENTITY_COLLISION, "Two people, by name and birth date, share this Patient ID.")
        return
    equal = (known.name, known.birth_date) == (other.name, other.birth_date)
    enough = known.key == other.key or (known.name and known.birth_date)
    if not (equal and enough):
        raise DianaError(Reason.IDENTITY_COLLISION, "The new Patient ID stands for another subject already.")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip("\0 ")


def _words(name: str) -> list[str]:
    if name.isascii():
        return list(filter(None, _NOT_ASCII_WORD.split(name.lower())))
    folded = unicodedata.normalize("NFKC", name).casefold()
    # Marks stay: they are the vowels of many scripts, and names differ by them.
    return "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in folded).split()
