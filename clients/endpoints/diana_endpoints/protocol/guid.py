"""What the mint does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint


@runtime_checkable
class Minter(Endpoint, Protocol):
    """It mints identities."""

    def mint(self, subjects: Iterable[Item]) -> Iterator[Item]:
        """The identity of each subject, in order; `meta` says which fields a subject may have."""


@runtime_checkable
class DomainKeeper(Endpoint, Protocol):
    """It keeps the keys that domains mint with. An empty domain is its own."""

    def domains(self) -> Iterator[Item]:
        """The domains by name."""

    def key_versions(self, domain: str) -> Iterator[Item]:
        """The versions of a domain's key, newest first."""

    def rotate_key(self, domain: str) -> Item:
        """A new version."""

    def export_key(self, domain: str, version: int, recipient_public_key: bytes) -> str:
        """A version (0: the newest) under seal, as JSON."""

    def import_key(self, sealed: str) -> Item:
        """Put a key that was exported for this keeper into its place."""

    def sealing_key(self) -> bytes:
        """The public key to export keys for this keeper with: X25519, 32 bytes."""
