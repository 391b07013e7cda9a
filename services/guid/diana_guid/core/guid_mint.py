"""The mint: looks the domain up and asks its scheme, or its key tree for accession numbers and UIDs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from diana_common.errors import DianaError, FieldViolation, Reason, invalid_field
from diana_common.uidmap import map_uid
from diana_guid.core.diana2 import Diana2Scheme
from diana_guid.core.domain import Domain, KeyedOptions
from diana_guid.core.key_tree import KeyTree, code, framed
from diana_guid.core.keyed import KeyedScheme
from diana_guid.core.subject import Identity, Subject, plain_text


class Scheme(Protocol):
    """A way of minting identities; deterministic, safe to use from several threads."""

    def mint(self, subject: Subject) -> Identity:
        """The subject's identity. Raises SUBJECT_INVALID naming the fields the scheme can't work with."""
        ...


class KeyStore(Protocol):
    """Where domain keys live; safe to use from several threads."""

    def key(self, domain: str) -> bytes:
        """The domain's key, at least 32 bytes, the same for ever. Raises DOMAIN_KEY_MISSING."""
        ...


class GuidMint:
    """Mints for a fixed set of domains; keys are asked for when first needed, then held in memory.

    Identities follow the domain's scheme. Accession numbers and UIDs are mapped by key, so that
    only `keyed` domains map them.
    """

    def __init__(self, domains: Iterable[Domain], keys: KeyStore) -> None:
        self._domains = {domain.name: domain for domain in domains}
        self._keys = keys
        self._trees: dict[str, KeyTree] = {}
        self._schemes: dict[str, Scheme] = {}

    def domains(self) -> list[Domain]:
        """All domains, by name."""
        return sorted(self._domains.values(), key=lambda domain: domain.name)

    def domain(self, name: str) -> Domain:
        """The named domain. Raises DOMAIN_UNKNOWN."""
        try:
            return self._domains[name]
        except KeyError:
            raise DianaError(Reason.DOMAIN_UNKNOWN, "No domain of this name is configured.") from None

    def mint(self, domain: str, subject: Subject) -> Identity:
        """The subject's identity in the domain.

        Raises DOMAIN_UNKNOWN, DOMAIN_KEY_MISSING, SUBJECT_INVALID.
        """
        return self.scheme(domain).mint(subject)

    def scheme(self, domain: str) -> Scheme:
        """The domain's scheme with its key, to mint many subjects. Raises DOMAIN_UNKNOWN, DOMAIN_KEY_MISSING."""
        if (scheme := self._schemes.get(domain)) is None:
            options = self.domain(domain).options
            made = KeyedScheme(self._tree(domain), options) if isinstance(options, KeyedOptions) else Diana2Scheme()
            scheme = self._schemes[domain] = made
        return scheme

    def map_accession_numbers(self, domain: str, accession_numbers: Iterable[str]) -> list[str]:
        """The new Accession Numbers (0008,0050), 16 characters each; each depends on domain and original only.

        Raises DOMAIN_UNKNOWN, DOMAIN_KEY_MISSING; SUBJECT_INVALID as `uid_subkey` does; INVALID_FIELD
        naming the first that is empty or not text.
        """
        subkey = self._mapping_tree(domain).subkey("accession_number")
        return [
            code(subkey, framed(_accession_number(one, f"accession_numbers[{index}]")))
            for index, one in enumerate(accession_numbers)
        ]

    def map_uids(self, domain: str, uids: Iterable[str]) -> list[str]:
        """The new UIDs (`diana_common.uidmap`); each depends on domain and UID only.

        Raises what `uid_subkey` does; UID_INVALID.
        """
        subkey = self.uid_subkey(domain)
        return [map_uid(subkey, uid) for uid in uids]

    def uid_subkey(self, domain: str) -> bytes:
        """The 32-byte key of the domain's UID mapping, for whom maps UIDs itself; it opens nothing else.

        Raises DOMAIN_UNKNOWN, DOMAIN_KEY_MISSING; SUBJECT_INVALID when the domain's scheme is `diana2`.
        """
        return self._mapping_tree(domain).subkey("uid")

    def check_ready(self) -> None:
        """Load every key that is needed. Raises DOMAIN_KEY_MISSING, CONFIG_INVALID when one can't be."""
        for domain in self._domains:
            self.scheme(domain)

    def key_present(self, domain: str) -> bool:
        """Whether the domain can mint: its key is in place, or it needs none. Raises DOMAIN_UNKNOWN."""
        self.domain(domain)
        try:
            self.scheme(domain)
        except DianaError:
            return False
        return True

    def _mapping_tree(self, name: str) -> KeyTree:
        if not isinstance(self.domain(name).options, KeyedOptions):
            description = "is of scheme diana2, which maps no identifiers: use MintHierarchicalUid"
            raise DianaError(
                Reason.SUBJECT_INVALID, f"domain: {description}", fields=[FieldViolation("domain", description)]
            )
        return self._tree(name)

    def _tree(self, name: str) -> KeyTree:
        if (tree := self._trees.get(name)) is None:
            tree = self._trees[name] = KeyTree(self.domain(name).name, self._keys.key(name))
        return tree


def _accession_number(value: str, field: str) -> str:
    if not (text := plain_text(value, field, invalid_field)):
        raise invalid_field(field, "is empty")
    return text
