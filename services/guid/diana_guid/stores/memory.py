"""Keys given by the caller, for tests and for secrets that come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from diana_guid.stores.refusals import check_length, missing, version_unknown


class MemoryKeyStore:
    """Keys by domain: one, or its versions from the first."""

    def __init__(self, keys: Mapping[str, bytes | tuple[bytes, ...]]) -> None:
        """Raises CONFIG_INVALID when a key is shorter than 32 bytes."""
        self._keys = {domain: (one,) if isinstance(one, bytes) else one for domain, one in keys.items()}
        for domain, versions in self._keys.items():
            for key in versions:
                check_length(domain, key)

    def newest(self, domain: str) -> int:
        """See core.ports.KeyStore."""
        if not (versions := self._keys.get(domain)):
            raise missing(domain)
        return len(versions)

    def key(self, domain: str, version: int) -> bytes:
        """See core.ports.KeyStore."""
        if not 1 <= version <= len(self._keys.get(domain, ())):
            raise version_unknown(domain)
        return self._keys[domain][version - 1]
