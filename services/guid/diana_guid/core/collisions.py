"""Two people with one id, told from one another while many are minted."""

from __future__ import annotations

import hashlib
import secrets
from array import array

from diana_common.errors import DianaError, FieldViolation, Reason
from diana_common.same_person import make_person
from diana_guid.core.subject import Identity, Subject

MOST_IDS = 2_000_000
"""Different ids that one watch remembers."""

_FIRST_SLOTS = 1 << 10
_EMPTY = 0
_HALF = 32
"""Bits of a digest: the Patient ID's above, those of name and birth date below."""


class CollisionWatch:
    """Remembers who got which id: a table of 16 bytes of digests for each, at most half full.

    That is 64 MB for `MOST_IDS`, and 96 MB while it grows for the last time. Digests are keyed at random, so that
    nobody makes two subjects that look the same; two ids do by chance with one in ten million full watches. Not for
    several threads.
    """

    def __init__(self, most_ids: int = MOST_IDS) -> None:
        self._most_ids = most_ids
        self._key = secrets.token_bytes(16)
        self._count = 0
        self._ids, self._people = _table(_FIRST_SLOTS), _table(_FIRST_SLOTS)

    def check(self, subject: Subject, identity: Identity, path: str = "subject") -> None:
        """Refuse an id that somebody else has got: IDENTITY_COLLISION naming `path`.

        Two are one as `diana_common.same_person` has it. The birth date is part of an id: those with one id and one
        Patient ID do not contradict one another in it. Raises RESULT_TOO_LARGE for one id more than may be remembered.
        """
        new_id, person = self._digest(identity.id), self._person(subject)
        slot = self._slot(new_id)
        if self._ids[slot] == _EMPTY:
            self._remember(slot, new_id, person)
        elif not _same(self._people[slot], person):
            description = "would get the id of another subject of this stream"
            raise DianaError(
                Reason.IDENTITY_COLLISION, f"{path}: {description}", fields=[FieldViolation(path, description)]
            )

    def _remember(self, slot: int, new_id: int, person: int) -> None:
        if self._count == self._most_ids:
            raise DianaError(
                Reason.RESULT_TOO_LARGE,
                f"A stream of scheme diana2 may have {self._most_ids} different subjects: begin another.",
            )
        self._ids[slot], self._people[slot] = new_id, person
        self._count += 1
        if 2 * self._count > len(self._ids):
            self._grow()

    def _grow(self) -> None:
        ids, people = self._ids, self._people
        self._ids, self._people = _table(2 * len(ids)), _table(2 * len(ids))
        for new_id, person in zip(ids, people, strict=True):
            if new_id != _EMPTY:
                slot = self._slot(new_id)
                self._ids[slot], self._people[slot] = new_id, person

    def _slot(self, new_id: int) -> int:
        """Where an id stands, or would."""
        ids = self._ids
        mask = len(ids) - 1
        slot = new_id & mask
        while ids[slot] not in (new_id, _EMPTY):
            slot = (slot + 1) & mask
        return slot

    def _person(self, subject: Subject) -> int:
        person = make_person(subject.patient_id, subject.issuer, subject.name, subject.birth_date)
        known = (person.name and person.birth_date) or not person.key
        told_by = (sorted(person.name), person.birth_date) if known else person.key
        key = self._digest(person.key) >> _HALF if person.key else 0
        return key << _HALF | self._digest(repr(told_by)) >> _HALF

    def _digest(self, text: str) -> int:
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") or 1


def _table(slots: int) -> array[int]:
    return array("Q", bytes(8 * slots))


def _same(known: int, other: int) -> bool:
    key, told_by = known >> _HALF, known & (1 << _HALF) - 1
    return (key != 0 and key == other >> _HALF) or told_by == other & (1 << _HALF) - 1
