"""A new catalogue from what lies in the stores alone, after the old one was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from diana_archive.core.attributes import read_sidecar
from diana_archive.core.incoming import Digests, make_newcomer
from diana_archive.core.model import Newcomer, Origin, State
from diana_archive.core.ports import Catalogue, Changes, Contents, Objects, SealKeys, Sidecars
from diana_archive.core.seal import unseal
from diana_archive.core.storing import find_same
from diana_archive.core.walking import study_uids
from diana_common.errors import DianaError
from diana_common.header import check_complete, scan

_A_PAGE = 200
_ORIGIN = Origin(door="rebuild")


@dataclass
class Rebuilt:
    """What was found."""

    instance_count: int = 0
    study_count: int = 0
    set_aside_count: int = 0
    """Objects that are no whole instance, or another's double."""

    unopened_count: int = 0
    """Studies whose sealed attributes no key at hand opens, or whose sidecar cannot be read."""


@dataclass(frozen=True)
class Rebuilding:
    """Fills an empty catalogue. Object ids must be given from above all that are there (core.ports.Objects).

    What only the catalogue knew is lost: deleted instances that were not yet purged are back, studies count as
    complete, and positions begin anew. Of several under one SOP Instance UID, the last one stored is current.
    """

    catalogue: Catalogue
    objects: Objects
    sidecars: Sidecars
    keys: SealKeys

    def rebuild(self, stores: Iterable[str], tell: Callable[[int], None]) -> Rebuilt:
        """Do it; `tell` hears now and then how many instances it has. Raises OSError, sqlite3.Error."""
        rebuilt = Rebuilt()
        for store in stores:
            after = 0
            while ids := self.objects.settled(store, after, _A_PAGE):
                after = ids[-1]
                self._add(store, ids, rebuilt)
                tell(rebuilt.instance_count)
            self._add_attributes(store, rebuilt)
        with self.catalogue.transaction() as changes:
            changes.assume_complete()
        return rebuilt

    def _add(self, store: str, object_ids: Sequence[int], rebuilt: Rebuilt) -> None:
        found = {one: self._read(store, one) for one in object_ids}
        refused = [one for one, newcomer in found.items() if newcomer is None]
        with self.catalogue.transaction() as changes:
            for object_id, newcomer in found.items():
                if newcomer and not _add_one(changes, newcomer, object_id):
                    refused.append(object_id)
        self.objects.set_aside(store, sorted(refused))
        rebuilt.instance_count += len(found) - len(refused)
        rebuilt.set_aside_count += len(refused)

    def _read(self, store: str, object_id: int) -> Newcomer | None:
        """What an object is; None if it is no whole instance."""
        try:
            with closing(self.objects.open(store, object_id)) as reader, reader.contents() as contents:
                return _newcomer(store, contents)
        except ConnectionError:
            # It says nothing of the object, which must not be set aside for it.
            raise
        except (DianaError, OSError):
            return None

    def _add_attributes(self, store: str, rebuilt: Rebuilt) -> None:
        for study_uid in study_uids(self.catalogue, store):
            rebuilt.study_count += 1
            document = self.sidecars.read(store, study_uid)
            if document is None:
                continue
            plain, sealed_keys, whole = self._attributes(store, study_uid, document)
            rebuilt.unopened_count += not whole
            with self.catalogue.transaction() as changes:
                changes.set_attributes(store, study_uid, plain, sealed_keys)
                changes.tell_attributes(store, study_uid, _ORIGIN)

    def _attributes(self, store: str, study_uid: str, document: bytes) -> tuple[dict[str, str], list[str], bool]:
        """Plain attributes, the keys of sealed ones, and whether all of it could be read."""
        plain: dict[str, str] = {}
        try:
            plain, sealed = read_sidecar(document)
            keys = sorted(unseal(self.keys, store, study_uid, sealed)) if sealed else []
        except (ValueError, DianaError):
            return plain, [], False
        return plain, keys, True


def _newcomer(store: str, contents: Contents) -> Newcomer:
    header = scan(contents)
    check_complete(contents, header)
    digests = Digests(header.data_set_offset)
    digests.update(contents)
    return make_newcomer(header, store, _ORIGIN, len(contents), *digests.results())


def _add_one(changes: Changes, newcomer: Newcomer, object_id: int) -> bool:
    """Whether it is there now, and not the double of one that was."""
    known = changes.known(newcomer.store, newcomer.sop_instance_uid)
    if find_same(known, newcomer.transfer_syntax_uid, newcomer.data_set_sha256):
        return False
    current = next((one for one in known if one.current), None)
    if current:
        changes.set_state([current.object_id], State.OLDER)
    changes.add(newcomer, object_id, current.version if current else "")
    return True
