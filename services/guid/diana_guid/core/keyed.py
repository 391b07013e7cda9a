"""Scheme `keyed`: every output comes from its own subkey of the domain, and from the subject key.

Nobody without the domain key goes from an output back to a subject, nor from one output to
another; that holds for the birth date's shift and the time offset too. Only the new name tells
something of the new id: its initials, which are there for people's eyes.
"""

from __future__ import annotations

import unicodedata
from datetime import date, timedelta

from diana_guid.core.domain import KeyedOptions
from diana_guid.core.key_tree import Draws, KeyTree, framed, id_code
from diana_guid.core.names import first_names_by_initial, names_by_initial
from diana_guid.core.subject import Identity, Subject, birth_date_of, moved, plain_text, sex_letter, subject_invalid

_HOUR_SECONDS = 3600


class KeyedScheme:
    """Mints identities under one domain's key tree."""

    def __init__(self, tree: KeyTree, options: KeyedOptions) -> None:
        self._options = options
        self._id_key = tree.subkey("id")
        self._name_key = tree.subkey("name")
        self._birth_date_key = tree.subkey("birth_date")
        self._time_offset_key = tree.subkey("time_offset")

    def mint(self, subject: Subject) -> Identity:
        """The subject's identity. Raises SUBJECT_INVALID naming what the subject key lacks."""
        birth_date = birth_date_of(subject)
        key = self._subject_key(subject, birth_date)
        new_id = id_code(self._id_key, key)
        return Identity(
            id=new_id,
            name=self._name(key, new_id, sex_letter(subject.sex)),
            birth_date=None if birth_date is None else self._birth_date(key, birth_date, subject.reference_date),
            time_offset=self._time_offset(key),
        )

    def _subject_key(self, subject: Subject, birth_date: date | None) -> bytes:
        if self._options.subject_key == "name_birth_date_sex":
            if birth_date is None:
                raise subject_invalid("birth_date", "is needed: it is part of this domain's subject key")
            return framed(
                "name_birth_date_sex", name_words(subject.name), birth_date.isoformat(), sex_letter(subject.sex)
            )
        patient_id = plain_text(subject.patient_id, "patient_id")
        if not patient_id:
            raise subject_invalid("patient_id", "is empty: it is this domain's subject key")
        return framed("patient_id", patient_id, plain_text(subject.issuer, "issuer"))

    def _name(self, key: bytes, new_id: str, sex: str) -> str:
        draws = Draws(self._name_key, key)
        last = names_by_initial("last")[new_id[0]]
        first = first_names_by_initial(sex)[new_id[1]]
        return f"{last[draws.below(len(last))]}^{first[draws.below(len(first))]}^{new_id[2]}"

    def _birth_date(self, key: bytes, birth_date: date, reference_date: date | None) -> date:
        days = Draws(self._birth_date_key, key).either_way(self._options.birth_date_days)
        if reference_date is not None:
            if reference_date < birth_date:
                raise subject_invalid("reference_date", "lies before the birth date")
            if days > (reference_date - birth_date).days:
                days = -days
        return moved(birth_date, days)

    def _time_offset(self, key: bytes) -> timedelta:
        draws = Draws(self._time_offset_key, key)
        days = draws.either_way(self._options.time_offset_days)
        seconds = draws.below(2 * _HOUR_SECONDS + 1) - _HOUR_SECONDS if self._options.seconds else 0
        return timedelta(days=days, seconds=seconds)


def name_words(name: str) -> str:
    """A name's words in any script, case folded and sorted, so that `Doe^Jane` and `Jane DOE` are the same.

    Of the component groups of PN (PS3.5 section 6.2.1) the first that holds a word counts. Raises
    SUBJECT_INVALID when none does.
    """
    for group in plain_text(name, "name").split("="):
        folded = unicodedata.normalize("NFKC", group).casefold()
        # Marks stay: they are the vowels of many scripts, and names differ by them.
        words = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split()
        if words:
            return " ".join(sorted(words))
    raise subject_invalid("name", "holds no word: it is part of this domain's subject key")
