"""The mint: looks the domain up and asks its scheme, or its key tree for accession numbers and UIDs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from diana_common.errors import DianaError, FieldViolation, Reason
from diana_common.uidmap import map_accession_number, map_uid
from diana_guid.core.diana2 import Diana2Scheme
from diana_guid.core.domain import Diana2Options, Domain
from diana_guid.core.key_tree import KeyTree
from diana_guid.core.keyed import KeyedScheme
from diana_guid.core.ports import KeyStore
from diana_guid.core.subject import Identity, Subject


class Scheme(Protocol):
    """A way of minting identities; deterministic, safe to use from several threads."""

    @property
    def key_version(self) -> int:
        """The version of the key it mints with; 0 when it has none."""
        ...

    @property
    def may_collide(self) -> bool:
        """Whether two people may get one id."""
        ...

    def mint(self, subject: Subject) -> Identity:
        """The subject's identity. Raises SUBJECT_INVALID naming the fields the scheme can't work with."""
        ...


class GuidMint:
    """Mints for a fixed set of domains; keys are asked for when first needed, then held in memory.

    Identities follow the domain's scheme. Accession numbers are mapped by key whatever the scheme, and UIDs are
    unless the domain says otherwise. A `key_version` of 0 is the newest; every method that takes one raises
    DOMAIN_UNKNOWN, DOMAIN_KEY_MISSING, KEY_VERSION_UNKNOWN.
    """

    def __init__(self, domains: Iterable[Domain], keys: KeyStore) -> None:
        self._domains = {domain.name: domain for domain in domains}
        self._keys = keys
        self._trees: dict[tuple[str, int], KeyTree] = {}
        self._schemes: dict[tuple[str, int], KeyedScheme] = {}
        self._diana2 = Diana2Scheme()

    def domains(self) -> list[Domain]:
        """All domains, by name."""
        return sorted(self._domains.values(), key=lambda domain: domain.name)

    def domain(self, name: str) -> Domain:
        """The named domain. Raises DOMAIN_UNKNOWN."""
        try:
            return self._domains[name]
        except KeyError:
            raise DianaError(Reason.DOMAIN_UNKNOWN, "No domain of this name is configured.") from None

    def mint(self, domain: str, subject: Subject, key_version: int = 0) -> Identity:
        """The subject's identity in the domain. Raises SUBJECT_INVALID too."""
        return self.scheme(domain, key_version).mint(subject)

    def scheme(self, domain: str, key_version: int = 0) -> Scheme:
        """The domain's scheme with its key, to mint many subjects. A diana2 domain mints without its key."""
        options = self.domain(domain).options
        if isinstance(options, Diana2Options):
            if key_version:
                self._keys.key(domain, key_version)
            return self._diana2
        version = key_version or self._keys.newest(domain)
        if (scheme := self._schemes.get((domain, version))) is None:
            scheme = self._schemes[domain, version] = KeyedScheme(self._tree(domain, version), options, version)
        return scheme

    def map_accession_numbers(self, domain: str, accession_numbers: Iterable[str], key_version: int = 0) -> list[str]:
        """The new Accession Numbers (0008,0050), 16 characters each; each depends on key and original only.

        Raises INVALID_FIELD too, naming the first that is empty or not text.
        """
        subkey = self.accession_number_subkey(domain, key_version)
        return [
            map_accession_number(subkey, one, f"accession_numbers[{index}]")
            for index, one in enumerate(accession_numbers)
        ]

    def map_uids(self, domain: str, uids: Iterable[str], key_version: int = 0) -> list[str]:
        """The new UIDs (`diana_common.uidmap`); each depends on key and UID only.

        Raises what `uid_subkey` does; UID_INVALID.
        """
        subkey = self.uid_subkey(domain, key_version)
        return [map_uid(subkey, uid) for uid in uids]

    def uid_subkey(self, domain: str, key_version: int = 0) -> bytes:
        """The 32-byte key of the domain's UID mapping, for whom maps UIDs itself; it opens nothing else.

        Raises SUBJECT_INVALID when the domain's UIDs are those of diana2.
        """
        options = self.domain(domain).options
        if isinstance(options, Diana2Options) and not options.keyed_uids:
            description = "maps UIDs as diana2 did: use MintHierarchicalUid"
            raise DianaError(
                Reason.SUBJECT_INVALID, f"domain: {description}", fields=[FieldViolation("domain", description)]
            )
        return self._tree(domain, key_version).subkey("uid")

    def accession_number_subkey(self, domain: str, key_version: int = 0) -> bytes:
        """The 32-byte key of the domain's accession numbers; it opens nothing else."""
        return self._tree(domain, key_version).subkey("accession_number")

    def check_ready(self) -> None:
        """Load every key that is needed. Raises DOMAIN_KEY_MISSING, CONFIG_INVALID when one can't be."""
        for domain in self._domains:
            self._tree(domain, 0)

    def newest_key_version(self, domain: str) -> int:
        """The newest version of the domain's key."""
        self.domain(domain)
        return self._keys.newest(domain)

    def key_version(self, domain: str) -> int:
        """The newest version of the domain's key, 0 when there is none that can be read. Raises DOMAIN_UNKNOWN."""
        self.domain(domain)
        try:
            version = self._keys.newest(domain)
            self._tree(domain, version)
        except DianaError:
            return 0
        return version

    def _tree(self, name: str, key_version: int) -> KeyTree:
        domain = self.domain(name)
        version = key_version or self._keys.newest(name)
        if (tree := self._trees.get((name, version))) is None:
            tree = self._trees[name, version] = KeyTree(domain.name, self._keys.key(name, version))
        return tree
