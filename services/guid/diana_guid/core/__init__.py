"""The rules of minting: two schemes behind one protocol, and domains that keep their outputs apart."""

from diana_guid.core.collisions import CollisionWatch
from diana_guid.core.domain import DEFAULT_DOMAIN, SCHEMES, Diana2Options, Domain, KeyedOptions, make_domain
from diana_guid.core.domain_keys import DomainKeys, KeyVersion
from diana_guid.core.guid_mint import GuidMint, Scheme
from diana_guid.core.ports import KeyKeeper, KeyStore
from diana_guid.core.subject import Identity, Subject

__all__ = [
    "DEFAULT_DOMAIN",
    "SCHEMES",
    "CollisionWatch",
    "Diana2Options",
    "Domain",
    "DomainKeys",
    "GuidMint",
    "Identity",
    "KeyKeeper",
    "KeyStore",
    "KeyVersion",
    "KeyedOptions",
    "Scheme",
    "Subject",
    "make_domain",
]
