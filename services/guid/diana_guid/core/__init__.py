"""The rules of minting: two schemes behind one protocol, and domains that keep their outputs apart."""

from diana_guid.core.domain import DEFAULT_DOMAIN, SCHEMES, Diana2Options, Domain, KeyedOptions, make_domain
from diana_guid.core.guid_mint import GuidMint, KeyStore, Scheme
from diana_guid.core.subject import Identity, Subject

__all__ = [
    "DEFAULT_DOMAIN",
    "SCHEMES",
    "Diana2Options",
    "Domain",
    "GuidMint",
    "Identity",
    "KeyStore",
    "KeyedOptions",
    "Scheme",
    "Subject",
    "make_domain",
]
