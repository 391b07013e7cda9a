"""What the core needs from outside: where keys live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class KeyStore(Protocol):
    """Where the versions of domain keys live, numbered from 1; safe to use from several threads."""

    def newest(self, domain: str) -> int:
        """The newest version of the domain's key; the first one is made where the domain may make it.

        Raises DOMAIN_KEY_MISSING.
        """
        ...

    def key(self, domain: str, version: int) -> bytes:
        """A version of the domain's key, at least 32 bytes, the same for ever.

        Raises KEY_VERSION_UNKNOWN, DOMAIN_KEY_MISSING when it cannot be read, CONFIG_INVALID when it is no key.
        """
        ...


class KeyKeeper(KeyStore, Protocol):
    """A store that keeps more of each key, and takes new ones."""

    def versions(self, domain: str) -> Sequence[int]:
        """The versions that are there, ascending. Raises OSError."""
        ...

    def create_time(self, domain: str, version: int) -> datetime:
        """When a version was put here. Raises KEY_VERSION_UNKNOWN."""
        ...

    def version_made_by(self, domain: str, request_id: str) -> int | None:
        """The version that was put here for a request, if any."""
        ...

    def put(self, domain: str, version: int, key: bytes, request_id: str = "") -> bool:
        """Keep a new version, durably; False, and nothing is changed, when that version is there.

        Raises DOMAIN_KEY_MISSING for a domain whose key is an operator's file.
        """
        ...
