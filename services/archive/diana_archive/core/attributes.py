"""What stands beside a study: plain attributes, sealed ones, and whether it is complete.

Attributes live in a sidecar, so that a rebuild finds them; the catalogue holds a copy of what is open.
The sidecar is written first: a crash in between leaves a change that nobody was told of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from diana_archive.core.committer import Committer
from diana_archive.core.completing import complete_study
from diana_archive.core.failures import from_write
from diana_archive.core.finding import study_not_found
from diana_archive.core.model import CompletionReason, Origin, Study
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Catalogue, Changes, SealKeys, Sidecars, Snapshot
from diana_archive.core.seal import seal, seal_broken, unseal
from diana_common.errors import DianaError, Reason, invalid_field

_SCHEMA = 1
MOST_ATTRIBUTES = 64
"""Plain ones, and sealed ones, of one study."""


class Attributes:
    """Attributes and completion of one archive's studies."""

    def __init__(
        self, committer: Committer, catalogue: Catalogue, policies: Policies, sidecars: Sidecars, keys: SealKeys
    ) -> None:
        self._committer = committer
        self._catalogue = catalogue
        self._policies = policies
        self._sidecars = sidecars
        self._keys = keys

    def update(
        self, store: str, study_uid: str, to_set: Mapping[str, str], to_remove: Sequence[str], origin: Origin
    ) -> tuple[Study, int]:
        """Set and remove plain attributes; the study and the feed's head. Raises STUDY_NOT_FOUND."""
        name = self._policies.find(store).name

        def work(changes: Changes) -> tuple[Study, int]:
            study = _require(changes, name, study_uid)
            plain = {key: value for key, value in study.attributes.items() if key not in to_remove} | dict(to_set)
            if plain != study.attributes:
                _check_count("set", plain)
                self._keep(changes, study, plain, self._sealed(study), study.sealed_keys, origin)
            return _require(changes, name, study_uid), changes.head()

        return self._committer.run(work)

    def seal(self, store: str, study_uid: str, attributes: Mapping[str, str], origin: Origin) -> tuple[Study, int]:
        """Add sealed attributes; the study and the feed's head. Raises STUDY_NOT_FOUND, SEAL_BROKEN."""
        name = self._policies.find(store).name

        def work(changes: Changes) -> tuple[Study, int]:
            study = _require(changes, name, study_uid)
            before = self._open(study) if study.sealed_keys else {}
            after = before | dict(attributes)
            if after != before:
                _check_count("attributes", after)
                sealed = seal(self._keys, name, study_uid, after)
                self._keep(changes, study, dict(study.attributes), sealed, sorted(after), origin)
            return _require(changes, name, study_uid), changes.head()

        return self._committer.run(work)

    def unseal(self, store: str, study_uid: str) -> dict[str, str]:
        """The sealed attributes. Raises STUDY_NOT_FOUND, SEAL_MISSING, SEAL_BROKEN."""
        name = self._policies.find(store).name
        with self._catalogue.snapshot() as snapshot:
            study = _require(snapshot, name, study_uid)
        if not study.sealed_keys:
            raise DianaError(Reason.SEAL_MISSING, "Nothing is sealed on this study.")
        return self._open(study)

    def complete(
        self, store: str, study_uid: str, reason: CompletionReason, expected: int | None, origin: Origin
    ) -> int:
        """Declare a study complete; the feed's head. Raises STUDY_NOT_FOUND, STUDY_INCOMPLETE."""
        name = self._policies.find(store).name

        def work(changes: Changes) -> int:
            study = _require(changes, name, study_uid)
            if expected is not None and study.instance_count != expected:
                raise DianaError(
                    Reason.STUDY_INCOMPLETE,
                    f"The study has {study.instance_count} instances, not {expected}.",
                    metadata={"instance_count": str(study.instance_count)},
                )
            if not study.complete:
                complete_study(changes, name, study_uid, reason, origin)
            return changes.head()

        return self._committer.run(work)

    def _open(self, study: Study) -> dict[str, str]:
        return unseal(self._keys, study.store, study.study_uid, self._sealed(study))

    def _sealed(self, study: Study) -> object:
        """The seal as the sidecar has it; None when nothing is sealed. Raises SEAL_BROKEN when there should be one."""
        if not study.sealed_keys:
            return None
        try:
            return read_sidecar(self._sidecars.read(study.store, study.study_uid) or b"")[1]
        except ConnectionError as error:
            raise from_write(error) from error
        except (OSError, ValueError):
            raise seal_broken() from None

    def _keep(
        self,
        changes: Changes,
        study: Study,
        plain: dict[str, str],
        sealed: object,
        sealed_keys: Sequence[str],
        origin: Origin,
    ) -> None:
        sidecar = {
            "schema": _SCHEMA,
            "store": study.store,
            "study_uid": study.study_uid,
            "attributes": plain,
            "sealed": sealed,
        }
        self._sidecars.write(study.store, study.study_uid, json.dumps(sidecar, indent=1).encode())
        changes.set_attributes(study.store, study.study_uid, plain, sealed_keys)
        changes.tell_attributes(study.store, study.study_uid, origin)


def read_sidecar(document: bytes) -> tuple[dict[str, str], object]:
    """A sidecar's plain attributes, and its seal. Raises ValueError for what is no sidecar of ours."""
    try:
        sidecar = json.loads(document)
        plain = {str(key): str(value) for key, value in sidecar["attributes"].items()}
        return plain, sidecar["sealed"]
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("not a sidecar") from error


def _check_count(field: str, attributes: Mapping[str, str]) -> None:
    if len(attributes) > MOST_ATTRIBUTES:
        raise invalid_field(field, f"the study would have more than {MOST_ATTRIBUTES} attributes of the kind")


def _require(snapshot: Snapshot, store: str, study_uid: str) -> Study:
    study = snapshot.study(store, study_uid)
    if study is None:
        raise study_not_found()
    return study
