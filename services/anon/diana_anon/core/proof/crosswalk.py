"""The crosswalk: who each pseudonym stands for, for those who may ask; every question is written down first.

What an operation de-identifies is recorded before any of it is stored elsewhere, so that no pseudonym is out that the
crosswalk does not know. That each stands for one person is seen to before (core.persons).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from diana_anon.core.proof.trail import Entry, Trail
from diana_anon.core.subject import Subject
from diana_common.errors import DianaError, Reason

_RECENT = 4096
"""What was recorded last, so that the instances of a study need not ask the store again."""


@dataclass(frozen=True, slots=True, repr=False)
class Passage:
    """One subject in one study, as an operation took them through.

    `pseudonym` and `new_study_uid` are what the subject's Patient ID and the Study Instance UID `study_uid` became in
    `domain`; `store` is where the source is. It has no repr, as `Subject` has none.
    """

    domain: str
    subject: Subject
    pseudonym: str
    store: str
    study_uid: str
    new_study_uid: str


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """What stands for somebody: a new Patient ID, or a new Study Instance UID if `of_study`."""

    domain: str
    text: str
    of_study: bool


class Recorder(Protocol):
    """What an operation tells of its subjects."""

    def record(self, passage: Passage) -> None:
        """Keep it, durably once this returns; again is of no effect. Safe from several threads.

        Raises IDENTITY_COLLISION if the pseudonym stands for another person already, or two people seem to share the
        subject's Patient ID (Persons); UID_COLLISION if the new Study Instance UID stands for another study
        (Crosswalk); DISK_FULL.
        """
        ...

    def check(self, passage: Passage) -> None:
        """Raises what `record` would, and keeps nothing."""
        ...


class CrosswalkStore(Protocol):
    """Where passages lie, encrypted. Every method raises STORE_DAMAGED for what was altered."""

    def find(self, pseudonym: Pseudonym) -> Passage | None:
        """The last passage that was put under a pseudonym."""
        ...

    def put(self, passages: Sequence[tuple[Pseudonym, Passage]]) -> None:
        """Keep all of them or none, durably. Raises DISK_FULL."""
        ...


class Crosswalk:
    """core.crosswalk.Recorder, and the way back. Safe to use from several threads.

    Of people who share a Patient ID, where that is let pass, the pseudonym stands for the later one, and each study's
    still for its own. `now` tells the time.
    """

    def __init__(
        self,
        store: CrosswalkStore,
        trail: Trail,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._trail = trail
        self._now = now
        self._lock = threading.Lock()
        self._recent: dict[Passage, None] = {}

    def check_ready(self) -> None:
        """Raises STORE_DAMAGED unless the end of the trail can be read."""
        self._trail.page(None, 1)

    def record(self, passage: Passage) -> None:
        """See Recorder."""
        with self._lock:
            if passage in self._recent:
                return
            self.check(passage)
            self._store.put([(name, passage) for name in _pseudonyms(passage)])
            self._recent[passage] = None
            if len(self._recent) > _RECENT:
                del self._recent[next(iter(self._recent))]

    def check(self, passage: Passage) -> None:
        """See Recorder."""
        study = self._store.find(_pseudonyms(passage)[1])
        if study and study.study_uid != passage.study_uid:
            raise DianaError(Reason.UID_COLLISION, "The new Study Instance UID stands for another study already.")

    def reidentify(self, caller: str, domain: str, pseudonyms: Sequence[str], reason: str) -> list[Passage]:
        """Who they stand for, in order; written to the trail, durably, before it is answered.

        Raises PSEUDONYM_UNKNOWN if one is not known: none is told then, and the attempt is in the trail. STORE_DAMAGED.
        """
        try:
            found = [self._find(domain, text) for text in pseudonyms]
        except DianaError:
            self.note(caller, domain, pseudonyms, reason, granted=False)
            raise
        known = [passage for passage in found if passage]
        self.note(caller, domain, pseudonyms, reason, granted=len(known) == len(found))
        if len(known) != len(found):
            raise DianaError(
                Reason.PSEUDONYM_UNKNOWN,
                f"{len(found) - len(known)} of {len(found)} pseudonyms are not known; none told.",
            )
        return known

    def note(self, caller: str, domain: str, pseudonyms: Sequence[str], reason: str, *, granted: bool) -> None:
        """Write an attempt to the trail, durably. Raises DISK_FULL, STORE_DAMAGED."""
        self._trail.append(self._now(), caller, domain, pseudonyms, reason, granted)

    def entries(self, before: int | None, size: int) -> list[Entry]:
        """At most `size` entries of the trail, newest first, from the one before number `before`.

        Raises STORE_DAMAGED if one of them was altered or is missing.
        """
        return self._trail.page(before, size)

    def _find(self, domain: str, text: str) -> Passage | None:
        return self._store.find(Pseudonym(domain, text, False)) or self._store.find(Pseudonym(domain, text, True))


def _pseudonyms(passage: Passage) -> tuple[Pseudonym, Pseudonym]:
    return (
        Pseudonym(passage.domain, passage.pseudonym, False),
        Pseudonym(passage.domain, passage.new_study_uid, True),
    )
