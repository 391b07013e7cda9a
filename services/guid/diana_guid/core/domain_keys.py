"""The keys of domains, for those who may handle them: listed, rotated, carried elsewhere under seal."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from diana_common.errors import DianaError, Reason
from diana_common.sealing import SealedKey, public_sealing_key, seal, unseal
from diana_guid.core.guid_mint import GuidMint
from diana_guid.core.key_tree import MIN_KEY_BYTES, KeyTree
from diana_guid.core.ports import KeyKeeper

_CHECK_LABEL = "check"
_CHECK_CHARACTERS = 16
_LARGEST_VERSION = 9_999  # more than anybody rotates: a larger one is a mistake, and none could follow it
_LONGEST_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of a domain's key, without the key.

    check_value: 16 hexadecimal characters of a keyed digest, to compare copies by.
    """

    version: int
    create_time: datetime
    check_value: str


class DomainKeys:
    """Handles the keys that a mint mints with. Every method raises DOMAIN_UNKNOWN."""

    def __init__(self, mint: GuidMint, keys: KeyKeeper, sealing_key: Callable[[], bytes]) -> None:
        """`sealing_key` gives this service's own private key, X25519, 32 bytes."""
        self._mint = mint
        self._keys = keys
        self._sealing_key = sealing_key

    def versions(self, domain: str) -> list[KeyVersion]:
        """All versions, newest first."""
        self._mint.domain(domain)
        return [self._described(domain, version) for version in reversed(self._keys.versions(domain))]

    def rotate(self, domain: str, request_id: str) -> KeyVersion:
        """A new version with a random key; the one that the same request made before, if it did.

        Raises DOMAIN_KEY_MISSING when the domain has no key, an operator's, or the last version that can be.
        """
        self._mint.domain(domain)
        while True:
            # In this order: what the same request makes in another process meanwhile takes this version, and is found
            # next time. Where a different one was faster with it, the next version is tried.
            following = self._keys.newest(domain) + 1
            if (made := self._keys.version_made_by(domain, request_id)) is not None:
                return self._described(domain, made)
            if following > _LARGEST_VERSION:
                raise DianaError(
                    Reason.DOMAIN_KEY_MISSING, f"Domain {domain} has no key after version {following - 1}."
                )
            self._keys.put(domain, following, secrets.token_bytes(MIN_KEY_BYTES), request_id)

    def export(self, domain: str, version: int, recipient_public_key: bytes) -> SealedKey:
        """A version (0: the newest) under seal. Raises KEY_VERSION_UNKNOWN, DOMAIN_KEY_MISSING, INVALID_FIELD."""
        self._mint.domain(domain)
        version = version or self._keys.newest(domain)
        return seal(self._keys.key(domain, version), domain, version, recipient_public_key)

    def import_key(self, sealed: SealedKey) -> KeyVersion:
        """Put a sealed key into its place.

        Raises SEALED_KEY_INVALID, DOMAIN_KEY_MISSING as `rotate`, REQUEST_ID_REUSED when another key is in its place.
        """
        self._mint.domain(sealed.domain)
        key = unseal(sealed, self._sealing_key())
        if not 1 <= sealed.version <= _LARGEST_VERSION:
            raise DianaError(
                Reason.SEALED_KEY_INVALID, f"The sealed key's version is not 1 to {_LARGEST_VERSION}: seal it as one."
            )
        if not MIN_KEY_BYTES <= len(key) <= _LONGEST_KEY_BYTES:
            raise DianaError(
                Reason.SEALED_KEY_INVALID, f"What is sealed is not {MIN_KEY_BYTES} to {_LONGEST_KEY_BYTES} bytes long."
            )
        placed = self._keys.put(sealed.domain, sealed.version, key)
        if not placed and not hmac.compare_digest(self._keys.key(sealed.domain, sealed.version), key):
            raise DianaError(Reason.REQUEST_ID_REUSED, "The domain has this version, and it is another key.")
        return self._described(sealed.domain, sealed.version)

    def public_sealing_key(self) -> bytes:
        """The X25519 public key that keys for this service are to be sealed to: 32 bytes."""
        return public_sealing_key(self._sealing_key())

    def _described(self, domain: str, version: int) -> KeyVersion:
        tree = KeyTree(domain, self._keys.key(domain, version))
        return KeyVersion(
            version, self._keys.create_time(domain, version), tree.subkey(_CHECK_LABEL).hex()[:_CHECK_CHARACTERS]
        )
