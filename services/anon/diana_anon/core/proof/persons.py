"""Whom each pseudonym was given to, in digests: a second person under it is refused, never merged into the first.

It is kept whether there is a crosswalk or not, and leads back to nobody.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from diana_anon.core.proof.crosswalk import Passage
from diana_anon.core.subject import Subject
from diana_common.same_person import Person, check_same_person, make_person

_RECENT = 4096
"""Subjects that are not looked up again, so that the instances of a study need not ask the store."""


class PersonStore(Protocol):
    """Where persons lie. What is found and put is masked. Every method raises STORE_DAMAGED."""

    def masked(self, domain: str, pseudonym: str, person: Person) -> Person:
        """In keyed digests that are of use under this pseudonym only."""
        ...

    def find(self, domain: str, pseudonym: str) -> Person | None:
        """Whom the pseudonym was given to."""
        ...

    def put(self, domain: str, pseudonym: str, person: Person) -> None:
        """Keep it instead of the one before, durably. Raises DISK_FULL."""
        ...


class Persons:
    """core.crosswalk.Recorder. The first person under a pseudonym stays, so that who passed once passes again.

    `shared_ids`: let two people pass who share a Patient ID, told from one another by name and birth date.
    """

    def __init__(self, store: PersonStore, shared_ids: bool = False) -> None:
        self._store = store
        self._shared_ids = shared_ids
        self._lock = threading.Lock()
        self._enter_once = lru_cache(_RECENT)(self._enter)

    def record(self, passage: Passage) -> None:
        """See Recorder. What was not known of the first person is taken from a later passage."""
        self._enter_once(passage.domain, passage.pseudonym, person_of(passage.subject))

    def check(self, passage: Passage) -> None:
        """See Recorder."""
        self._settled(passage.domain, passage.pseudonym, person_of(passage.subject))

    def _enter(self, domain: str, pseudonym: str, person: Person) -> None:
        with self._lock:
            known, settled = self._settled(domain, pseudonym, person)
            if settled != known:
                self._store.put(domain, pseudonym, settled)

    def _settled(self, domain: str, pseudonym: str, person: Person) -> tuple[Person | None, Person]:
        """Whom the pseudonym was given to, and what is known of them with this person. Raises IDENTITY_COLLISION."""
        known, masked = self._store.find(domain, pseudonym), self._store.masked(domain, pseudonym, person)
        if known is None:
            return None, masked
        check_same_person(known, masked, self._shared_ids)
        filled = replace(known, name=known.name or masked.name, birth_date=known.birth_date or masked.birth_date)
        return known, filled


def person_of(subject: Subject) -> Person:
    """What tells a subject from others."""
    return make_person(subject.patient_id, subject.issuer, subject.name, subject.birth_date)
