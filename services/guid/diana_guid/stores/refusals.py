"""What every key store refuses, in the same words."""

from __future__ import annotations

from diana_common.errors import DianaError, Reason
from diana_guid.core.key_tree import MIN_KEY_BYTES


def check_length(domain: str, key: bytes) -> None:
    """Raise CONFIG_INVALID for a key that is too short to be one."""
    if len(key) < MIN_KEY_BYTES:
        raise DianaError(
            Reason.CONFIG_INVALID,
            f"The key of domain {domain} is not at least {MIN_KEY_BYTES} bytes, written in base64 or hexadecimal.",
        )


def missing(domain: str, why: str = "none is configured") -> DianaError:
    """DOMAIN_KEY_MISSING."""
    return DianaError(Reason.DOMAIN_KEY_MISSING, f"Domain {domain} has no key: {why}.")


def version_unknown(domain: str) -> DianaError:
    """KEY_VERSION_UNKNOWN."""
    return DianaError(Reason.KEY_VERSION_UNKNOWN, f"Domain {domain} has no key of this version.")
