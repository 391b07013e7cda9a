"""What one piece of work needs of the mint, held in memory for as long as it lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache, partial

from diana_anon.core.ports import Mint
from diana_anon.core.references import Place, References, references
from diana_anon.core.rewriting.engine import Identity
from diana_anon.core.rewriting.uids import Pseudonyms
from diana_anon.core.text.cleaner import TextCleaner
from diana_anon.core.text.identifiers import Identifiers
from diana_common.conditions import Header
from diana_common.errors import DianaError
from diana_common.hierarchical_uid import HierarchicalUids
from diana_common.uidmap import map_accession_number, map_uid

_SUBJECTS_HELD = 1024
_CLEANERS_HELD = 64
_ACCESSION_NUMBERS_HELD = 1024

Standing = tuple[str, str, str]
"""Where an instance stands: its Study, Series and SOP Instance UID."""


class Identities:
    """One domain's identities and pseudonyms. Safe to use from several threads."""

    def __init__(
        self, mint: Mint, domain: str, instances: Callable[[], Iterable[Standing]] = tuple, key_version: int = 0
    ) -> None:
        """`instances` are all those of the work; a domain is told of them if its UIDs depend on where they stand.
        `key_version` is that of an earlier attempt at the work; 0: the newest, and it remains that one.

        Raises what `Mint.keys` and `instances` do.
        """
        keys = mint.keys(domain, key_version)
        self.key_version = keys.version if keys is not None else key_version or mint.newest_key_version(domain)
        """What the work goes on with, should the domain's key be rotated meanwhile."""
        self.of = lru_cache(_SUBJECTS_HELD)(partial(mint.identity, domain, key_version=self.key_version))
        """The identity of a subject. Raises what `Mint.identity` does."""
        self._cleaner = lru_cache(_CLEANERS_HELD)(TextCleaner)
        self._keyed: Pseudonyms | None = None
        if keys is not None:
            accession_number = partial(map_accession_number, keys.accession_numbers)
            self._keyed = Pseudonyms(partial(map_uid, keys.uids), accession_number)
            return
        standing = list(instances())
        asked = partial(mint.accession_number, domain, key_version=self.key_version)
        remembered = lru_cache(_ACCESSION_NUMBERS_HELD)(asked)
        self._of_patient = lru_cache(_SUBJECTS_HELD)(lambda patient: _Hierarchy(patient, standing, remembered))

    def cleaner(self, known: Identifiers, offset: timedelta | None) -> TextCleaner:
        """What strikes these identifiers from texts; the instances of a study share it, whose UIDs only differ."""
        return self._cleaner(replace(known, uids=frozenset(), stamps=frozenset()), offset)

    def pseudonyms(self, identity: Identity, standing: Standing, header: Header) -> Pseudonyms:
        """What the UIDs and accession numbers of an instance become. Raises UID_COLLISION."""
        if self._keyed is not None:
            return self._keyed
        return self._of_patient(identity.patient_id).pseudonyms(standing, references(header))


class _Hierarchy:
    """One patient's UIDs in a domain that maps them as diana2 did; none if two of the work would become one."""

    def __init__(self, patient_id: str, standing: Iterable[Standing], accession_number: Callable[[str], str]) -> None:
        self._uids = HierarchicalUids(patient_id)
        self._accession_number = accession_number
        self._lock = threading.Lock()
        self._collision: DianaError | None = None
        try:
            for one in standing:
                self._uids.place(*one)
        except DianaError as collision:
            self._collision = collision

    def pseudonyms(self, standing: Standing, referred: References) -> Pseudonyms:
        """What an instance needs that stands there. What it says of others' places counts for itself alone, so that it
        becomes the same whatever comes before it. Raises UID_COLLISION."""
        with self._lock:
            if self._collision is not None:
                raise DianaError(self._collision.reason, self._collision.message)
            self._uids.place(*standing)
            unplaced = {
                path
                for path, uid in referred.instances.items()
                if uid not in referred.places and not self._uids.is_placed(uid)
            }
        return Pseudonyms(partial(self._uid, elsewhere=referred.places), self._accession_number, unplaced)

    def _uid(self, uid: str, elsewhere: Mapping[str, Place]) -> str:
        with self._lock:
            return self._uids.uid(uid, elsewhere)
