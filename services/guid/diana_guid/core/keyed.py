"""Scheme `keyed`: every output comes from its own subkey of the domain, and from the subject key.

Nobody without the domain key goes from an output back to a subject, nor from one output to another, nor from a domain
or a key version to another.
"""

from __future__ import annotations

from datetime import date, timedelta

from diana_guid.core.domain import KeyedOptions
from diana_guid.core.key_tree import Digester, KeyTree, below, either_way, framed
from diana_guid.core.name_words import name_words
from diana_guid.core.names import LETTERS, first_names, names
from diana_guid.core.old_age import birth_date_over_89, is_over_89
from diana_guid.core.subject import Identity, Subject, birth_date_of, moved, plain_text, sex_letter, subject_invalid

_HOUR_SECONDS = 3600


class KeyedScheme:
    """Mints identities under one domain's key tree."""

    may_collide = False

    def __init__(self, tree: KeyTree, options: KeyedOptions, key_version: int = 1) -> None:
        self.key_version = key_version
        self._options = options
        self._ids = Digester(tree.subkey("id"))
        self._names = Digester(tree.subkey("name"))
        self._birth_dates = Digester(tree.subkey("birth_date"))
        self._time_offsets = Digester(tree.subkey("time_offset"))

    def mint(self, subject: Subject) -> Identity:
        """The subject's identity. Raises SUBJECT_INVALID naming what the subject key lacks.

        The birth date is the true one moved by 1 to `birth_date_days` days; a subject who is over 89 on the reference
        date gets one that says 90 on that day (`old_age`).
        """
        birth_date = birth_date_of(subject)
        key = self._subject_key(subject, birth_date)
        offset = self._time_offset(key)
        return Identity(
            id=self._ids.id_code(key),
            name=self._name(key, sex_letter(subject.sex)),
            birth_date=None if birth_date is None else self._birth_date(key, subject, birth_date, offset),
            time_offset=offset,
        )

    def _subject_key(self, subject: Subject, birth_date: date | None) -> bytes:
        if self._options.subject_key == "patient_id":
            return _patient_id_key(subject, "is empty: it is this domain's subject key")
        words = name_words(subject.name)
        # A birth date that is counted back from an age differs with the study: the Patient ID does not.
        if words and birth_date and (subject.birth_date or not subject.patient_id.strip("\0 ")):
            return framed("name_birth_date_sex", words, birth_date.isoformat(), sex_letter(subject.sex))
        lacking = "name" if not words else "birth_date"
        return _patient_id_key(subject, "is part of this domain's subject key, unless there is a Patient ID", lacking)

    def _name(self, key: bytes, sex: str) -> str:
        one, two, three, _ = self._names.words(key)
        last, first = names("last"), first_names(sex)
        return f"{last[below(len(last), one)]}^{first[below(len(first), two)]}^{LETTERS[below(len(LETTERS), three)]}"

    def _birth_date(self, key: bytes, subject: Subject, birth_date: date, offset: timedelta) -> date:
        if subject.reference_date is not None and is_over_89(subject, birth_date):
            return birth_date_over_89(subject.reference_date, offset)
        days = either_way(self._options.birth_date_days, self._birth_dates.words(key)[0])
        if subject.birth_date is None and subject.reference_date is not None:
            # Who is known by an age only must not be born after the day on which it was true.
            days = -days if days > (subject.reference_date - birth_date).days else days
        return moved(birth_date, days)

    def _time_offset(self, key: bytes) -> timedelta:
        one, two, _, _ = self._time_offsets.words(key)
        days = either_way(self._options.time_offset_days, one)
        seconds = below(2 * _HOUR_SECONDS + 1, two) - _HOUR_SECONDS if self._options.seconds else 0
        return timedelta(days=days, seconds=seconds)


def _patient_id_key(subject: Subject, description: str, lacking: str = "patient_id") -> bytes:
    """The subject key by Patient ID. Raises SUBJECT_INVALID for what is `lacking` when there is none."""
    patient_id = plain_text(subject.patient_id, "patient_id")
    if not patient_id:
        raise subject_invalid(lacking, description)
    return framed("patient_id", patient_id, plain_text(subject.issuer, "issuer"))
