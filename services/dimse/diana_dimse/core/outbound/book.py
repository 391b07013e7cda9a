"""Who is meant: peers by the names of the configuration, AE titles of ours by their stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diana_common.errors import DianaError, Reason, invalid_field
from diana_dimse.core.entities import Directory, LocalEntity, Service
from diana_dimse.core.outbound.peering import Correspondent

DEFAULT_STORE = "default"


@dataclass(frozen=True)
class AddressBook:
    """The peers that we call, by name, and our own AE titles."""

    directory: Directory
    correspondents: Mapping[str, Correspondent]

    def peer(self, name: str) -> Correspondent:
        """A peer that can be called. Raises DianaError AE_UNKNOWN, INVALID_FIELD where it only calls us."""
        found = self.correspondents.get(name)
        if found is None:
            raise DianaError(Reason.AE_UNKNOWN, "The configuration has no such peer.")
        if not found.entity.host:
            raise invalid_field("peer", "has no host in the configuration: it only calls us")
        return found

    def store(self, name: str) -> str:
        """A store's name where it may be left out."""
        return name or DEFAULT_STORE

    def receiver(self, store: str, peer: Correspondent) -> LocalEntity:
        """The AE title of ours that receives into a store, the one that calls the peer if it does.

        Raises DianaError INVALID_FIELD where none does.
        """
        wanted = self.store(store)
        receiving = [
            one for one in self.directory.entities.values() if one.store == wanted and Service.STORE in one.services
        ]
        if not receiving:
            raise invalid_field("store", "no AE title of ours receives into it")
        return next((one for one in receiving if one.title == peer.calling), receiving[0])
