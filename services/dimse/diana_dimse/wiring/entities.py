"""AE titles of ours and peers, from the settings to the core's and the network's objects."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping

from diana_common.hours import Hours
from diana_common.settings import config_invalid
from diana_dimse.config import DimseConfig, EntityConfig, PeerEntityConfig, PeerTlsConfig
from diana_dimse.core.entities import ANYONE, Directory, LocalEntity, PeerEntity, Service
from diana_dimse.core.outbound.peering import Correspondent, Retrieve
from diana_dimse.network.opening import Remote

_CONNECT_SECONDS = 10.0


def make_directory(config: DimseConfig) -> Directory:
    """All titles of ours and all peers."""
    missing = frozenset() if config.worklist_dir else frozenset({Service.WORKLIST})
    return Directory(
        [_entity(title, one, missing) for title, one in config.entities.items()],
        [_peer(name, one) for name, one in config.peers.items()],
    )


def make_correspondents(config: DimseConfig, directory: Directory) -> Mapping[str, Correspondent]:
    """How each peer is dealt with, by name."""
    return {name: _correspondent(directory.peers[name], config) for name in config.peers}


def make_remotes(config: DimseConfig) -> Mapping[str, Remote]:
    """Where peers are reached, by name. Raises DianaError CONFIG_INVALID."""
    return {
        name: Remote(
            one.host,
            one.port,
            _peer_tls(name, one.tls) if one.tls else None,
            connect_seconds=min(one.timeout_seconds, _CONNECT_SECONDS),
            network_seconds=one.timeout_seconds,
        )
        for name, one in config.peers.items()
        if one.host
    }


def _entity(title: str, config: EntityConfig, missing: frozenset[Service]) -> LocalEntity:
    others = None if ANYONE in config.other_sop_classes else frozenset(config.other_sop_classes)
    services = frozenset(Service(one.value) for one in config.services) - missing
    return LocalEntity(title, config.store, services, frozenset(config.callers), config.attributes, others)


def _peer(name: str, config: PeerEntityConfig) -> PeerEntity:
    return PeerEntity(
        name,
        config.title,
        config.host,
        config.port,
        tuple(ipaddress.ip_network(one, strict=False) for one in config.addresses),
        frozenset(config.certificate_names),
        None if config.services is None else frozenset(Service(one.value) for one in config.services),
    )


def _correspondent(entity: PeerEntity, config: DimseConfig) -> Correspondent:
    own = config.peers[entity.name]
    return Correspondent(
        entity,
        own.calling_title or next(iter(config.entities)),
        own.tls is not None,
        Retrieve(own.retrieve.value),
        own.instances_per_second,
        tuple(map(Hours.read, own.hours)),
        own.attempts,
        own.commitment_seconds,
    )


def _peer_tls(name: str, config: PeerTlsConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(config.ca_file)
        if config.cert_file:
            context.load_cert_chain(config.cert_file, config.key_file)
    except (OSError, ssl.SSLError):
        raise config_invalid(f"peers.{name}.tls", "its files cannot be read as certificates and keys in PEM") from None
    return context
