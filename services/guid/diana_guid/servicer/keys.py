"""KeyService: lets nobody in without a token that was granted, then asks the core."""

from __future__ import annotations

import grpc

from diana.guid.v1 import key_service_pb2 as pb
from diana.guid.v1 import key_service_pb2_grpc
from diana_guid.core import DEFAULT_DOMAIN, DomainKeys
from diana_guid.wire import key_version_to_proto, sealed_key_from_proto, sealed_key_to_proto
from diana_server.callers import BearerTokens
from diana_server.logs import logger


class KeyServicer(key_service_pb2_grpc.KeyServiceServicer):
    """Every RPC of the contract. Who rotated, exported or imported which key is logged."""

    def __init__(self, keys: DomainKeys, callers: BearerTokens) -> None:
        self._keys = keys
        self._callers = callers
        self._log = logger("guid")

    def ListKeyVersions(
        self, request: pb.ListKeyVersionsRequest, context: grpc.ServicerContext
    ) -> pb.ListKeyVersionsResponse:
        """The versions, newest first."""
        self._callers.name_of(context)
        versions = self._keys.versions(request.domain or DEFAULT_DOMAIN)
        return pb.ListKeyVersionsResponse(versions=map(key_version_to_proto, versions))

    def RotateKey(self, request: pb.RotateKeyRequest, context: grpc.ServicerContext) -> pb.RotateKeyResponse:
        """A new version."""
        caller, domain = self._callers.name_of(context), request.domain or DEFAULT_DOMAIN
        made = self._keys.rotate(domain, request.request_id)
        self._log.info("key rotated", caller=caller, domain=domain, version=made.version)
        return pb.RotateKeyResponse(version=key_version_to_proto(made))

    def ExportKey(self, request: pb.ExportKeyRequest, context: grpc.ServicerContext) -> pb.ExportKeyResponse:
        """A sealed version."""
        caller = self._callers.name_of(context)
        sealed = self._keys.export(request.domain or DEFAULT_DOMAIN, request.version, request.recipient_public_key)
        self._log.info("key exported", caller=caller, domain=sealed.domain, version=sealed.version)
        return pb.ExportKeyResponse(sealed_key=sealed_key_to_proto(sealed))

    def ImportKey(self, request: pb.ImportKeyRequest, context: grpc.ServicerContext) -> pb.ImportKeyResponse:
        """A version in its place."""
        caller, sealed = self._callers.name_of(context), sealed_key_from_proto(request.sealed_key)
        placed = self._keys.import_key(sealed)
        self._log.info("key imported", caller=caller, domain=sealed.domain, version=sealed.version)
        return pb.ImportKeyResponse(version=key_version_to_proto(placed))

    def GetSealingKey(
        self, request: pb.GetSealingKeyRequest, context: grpc.ServicerContext
    ) -> pb.GetSealingKeyResponse:
        """The public key to seal to."""
        self._callers.name_of(context)
        return pb.GetSealingKeyResponse(public_key=self._keys.public_sealing_key())
