"""Clients for the keys of the mint's domains. Connect with a token that the service's `key_tokens` names."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from diana.guid.v1 import key_service_pb2 as pb
from diana.guid.v1.key_service_pb2_grpc import KeyServiceStub
from diana_client.calls import AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel

if TYPE_CHECKING:
    from diana.guid.v1.key_service_pb2_grpc import KeyServiceAsyncStub


class KeyClient(Caller):
    """Talks to `KeyService`. Safe to share between threads. An empty `domain` means "default"."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = KeyServiceStub(channel.raw)

    def versions(self, domain: str = "") -> list[pb.KeyVersion]:
        """The versions of a domain's key, newest first."""
        return list(self._ask(self.stub.ListKeyVersions, pb.ListKeyVersionsRequest(domain=domain)).versions)

    def rotate(self, domain: str = "", *, request_id: str = "") -> pb.KeyVersion:
        """A new version, with which the domain mints from now on; the same request id makes no second one."""
        request = pb.RotateKeyRequest(domain=domain, request_id=request_id or str(uuid.uuid4()))
        return self._ask(self.stub.RotateKey, request).version

    def export(self, recipient_public_key: bytes, domain: str = "", *, version: int = 0) -> pb.SealedKey:
        """A version (0: the newest) that only the holder of the X25519 private key opens."""
        request = pb.ExportKeyRequest(domain=domain, version=version, recipient_public_key=recipient_public_key)
        return self._ask(self.stub.ExportKey, request).sealed_key

    def import_key(self, sealed_key: pb.SealedKey) -> pb.KeyVersion:
        """Put a key that was sealed to `sealing_key()` into the place that it names."""
        return self._ask(self.stub.ImportKey, pb.ImportKeyRequest(sealed_key=sealed_key)).version

    def sealing_key(self) -> bytes:
        """The service's X25519 public key, 32 bytes."""
        return self._ask(self.stub.GetSealingKey, pb.GetSealingKeyRequest()).public_key


class AsyncKeyClient(AsyncCaller):
    """As `KeyClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: KeyServiceAsyncStub = KeyServiceStub(channel.raw)

    async def versions(self, domain: str = "") -> list[pb.KeyVersion]:
        """As `KeyClient.versions`."""
        return list((await self._ask(self.stub.ListKeyVersions, pb.ListKeyVersionsRequest(domain=domain))).versions)

    async def rotate(self, domain: str = "", *, request_id: str = "") -> pb.KeyVersion:
        """As `KeyClient.rotate`."""
        request = pb.RotateKeyRequest(domain=domain, request_id=request_id or str(uuid.uuid4()))
        return (await self._ask(self.stub.RotateKey, request)).version

    async def export(self, recipient_public_key: bytes, domain: str = "", *, version: int = 0) -> pb.SealedKey:
        """As `KeyClient.export`."""
        request = pb.ExportKeyRequest(domain=domain, version=version, recipient_public_key=recipient_public_key)
        return (await self._ask(self.stub.ExportKey, request)).sealed_key

    async def import_key(self, sealed_key: pb.SealedKey) -> pb.KeyVersion:
        """As `KeyClient.import_key`."""
        return (await self._ask(self.stub.ImportKey, pb.ImportKeyRequest(sealed_key=sealed_key))).version

    async def sealing_key(self) -> bytes:
        """As `KeyClient.sealing_key`."""
        return (await self._ask(self.stub.GetSealingKey, pb.GetSealingKeyRequest())).public_key
