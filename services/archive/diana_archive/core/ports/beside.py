"""What stands beside objects and catalogue: documents of studies, keys, and the place of backups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from diana_archive.core.model import Instance
from diana_archive.core.ports.catalogue import Catalogue
from diana_archive.core.ports.objects import ObjectReader


class Sidecars(Protocol):
    """What stands beside a study: one small document each."""

    def read(self, store: str, study_uid: str) -> bytes | None:
        """The document; None without one."""

    def write(self, store: str, study_uid: str, document: bytes) -> None:
        """Replace it, whole and durably, or raise OSError."""

    def remove(self, store: str, study_uid: str) -> None:
        """Remove it, if there is one."""


class SealKeys(Protocol):
    """Keys for sealed attributes, by key id: 32 bytes each."""

    def current(self) -> tuple[str, bytes]:
        """The key that new seals are made with, created durably if there is none. Raises DianaError CONFIG_INVALID."""

    def find(self, key_id: str) -> bytes | None:
        """A key by its id; None when this archive does not have it."""


class Backup(Protocol):
    """Another place that is brought up to date. `begin` first, `adopt` at the end: until then it is what it was."""

    def begin(self) -> Catalogue:
        """A copy of the catalogue as it is now, for this backup. Raises OSError, sqlite3.Error."""

    def has(self, instance: Instance) -> bool:
        """Whether it has an instance's object, whole. Ids alone do not tell: a state directory may be rolled back."""

    def add(self, store: str, object_id: int, reader: ObjectReader) -> None:
        """Take an object. It is durable after `adopt`. Raises OSError."""

    def add_sidecar(self, store: str, study_uid: str, document: bytes | None) -> None:
        """Take what stands beside a study; None: nothing does. Raises OSError."""

    def adopt(self, stores: Sequence[str]) -> None:
        """The copy of the catalogue takes its place, and what it does not know is removed. Raises OSError."""
