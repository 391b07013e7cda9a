"""Application Entities: ours, those we know, and who may ask what of whom (PS3.8 section 7.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

ANYONE = "*"


class Service(Enum):
    """What an AE title of ours does for those who call it."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"
    COMMIT = "commit"
    WORKLIST = "worklist"
    PROCEDURE_STEP = "procedure-step"


@dataclass(frozen=True)
class LocalEntity:
    """An AE title of ours."""

    title: str
    store: str = "default"
    """The archive's store that it receives into and answers from."""

    services: frozenset[Service] = frozenset(Service)
    callers: frozenset[str] = frozenset({ANYONE})
    """The names of the peers that may call it; `ANYONE` lets in whoever asks."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    """Plain attributes that each study it receives gets in the archive: project, profile, route, as a site likes."""

    other_sop_classes: frozenset[str] | None = frozenset()
    """SOP Classes to store beside the standard's; None: whatever is proposed that has the form of a UID."""


@dataclass(frozen=True)
class PeerEntity:
    """A remote Application Entity that the configuration names."""

    name: str
    title: str
    host: str = ""
    """Where it is called; empty for one that only calls us."""

    port: int = 104
    addresses: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    """Where it may call from; anywhere when empty."""

    certificate_names: frozenset[str] = frozenset()
    """Of these its certificate must bear one; none is asked for when empty."""

    services: frozenset[Service] | None = None
    """What it may ask for, of what the title it calls does; all of it when None."""


@dataclass(frozen=True)
class Admission:
    """A requestor that was let in."""

    entity: LocalEntity
    peer: PeerEntity | None
    """Who it is; None for a stranger where anyone may call."""

    services: frozenset[Service]
    """What it may ask for."""


class Refusal(Enum):
    """Why a requestor was not let in."""

    CALLED_TITLE_UNKNOWN = "called"
    CALLER_UNKNOWN = "caller"


class Directory:
    """All titles of ours and all peers."""

    def __init__(self, entities: Sequence[LocalEntity], peers: Sequence[PeerEntity]) -> None:
        self.entities: Mapping[str, LocalEntity] = {one.title: one for one in entities}
        self.peers: Mapping[str, PeerEntity] = {one.name: one for one in peers}

    def admit(
        self, called: str, calling: str, address: str, certificate_names: Sequence[str] = ()
    ) -> Admission | Refusal:
        """Whether a requestor may come in, and for what.

        A peer is known by its title, and by its address and certificate where the configuration has them: who bears
        the title of a known peer and is not it is refused, where anyone may call too.
        """
        entity = self.entities.get(called)
        if entity is None:
            return Refusal.CALLED_TITLE_UNKNOWN
        named = [one for one in self.peers.values() if one.title == calling]
        peer = next((one for one in named if _is(one, address, certificate_names)), None)
        if (named and peer is None) or not _may_call(entity, peer):
            return Refusal.CALLER_UNKNOWN
        granted = entity.services if peer is None or peer.services is None else entity.services & peer.services
        return Admission(entity, peer, granted)

    def destination(self, title: str) -> PeerEntity | None:
        """The peer of an AE title that can be called: where a C-MOVE sends to."""
        return next((one for one in self.peers.values() if one.title == title and one.host), None)


def _may_call(entity: LocalEntity, peer: PeerEntity | None) -> bool:
    return ANYONE in entity.callers or (peer is not None and peer.name in entity.callers)


def _is(peer: PeerEntity, address: str, certificate_names: Sequence[str]) -> bool:
    if peer.certificate_names and peer.certificate_names.isdisjoint(certificate_names):
        return False
    if not peer.addresses:
        return True
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in network for network in peer.addresses)
