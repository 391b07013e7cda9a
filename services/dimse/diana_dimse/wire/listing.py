"""Peers, AE titles and associations as the contract has them."""

from __future__ import annotations

from diana.dimse.v1 import dimse_service_pb2 as pb
from diana_dimse.core.doorway import OpenAssociation
from diana_dimse.core.entities import LocalEntity, Service
from diana_dimse.core.outbound.peering import Correspondent
from diana_server.times import timestamp


def peer_to_proto(peer: Correspondent) -> pb.Peer:
    """A peer."""
    entity = peer.entity
    host = f"[{entity.host}]" if ":" in entity.host else entity.host
    address = f"{host}:{entity.port}" if host else ""
    return pb.Peer(name=entity.name, ae_title=entity.title, address=address, tls=peer.is_tls)


def entity_to_proto(entity: LocalEntity) -> pb.LocalEntity:
    """An AE title of ours."""
    services = [one.value for one in Service if one in entity.services]
    return pb.LocalEntity(ae_title=entity.title, store=entity.store, services=services)


def association_to_proto(association: OpenAssociation) -> pb.Association:
    """An open association."""
    return pb.Association(
        calling_ae_title=association.calling,
        called_ae_title=association.called,
        address=association.address,
        start_time=timestamp(association.start_time),
        received_count=association.received_count,
    )
