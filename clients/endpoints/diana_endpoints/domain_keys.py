"""What the endpoint of the mint does with its domains' keys; the token it takes is `token_file` of its settings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from google.protobuf.json_format import MessageToJson, Parse, ParseError

from diana.guid.v1.guid_service_pb2 import Scheme
from diana.guid.v1.key_service_pb2 import KeyVersion, SealedKey
from diana_client import GuidClient, KeyClient
from diana_common.errors import DianaError, Reason
from diana_endpoints.items import Item
from diana_endpoints.mesh import MeshEndpoint


class DomainKeys(MeshEndpoint):
    """The part of endpoint `guid` that is about keys. Every method raises MeshError when it cannot go on."""

    _domain: str
    """The domain where none is named."""

    @cached_property
    def _keys(self) -> KeyClient:
        return KeyClient(self._channel)

    def domains(self) -> Iterator[Item]:
        """See protocol.guid.DomainKeeper."""
        for one in GuidClient(self._channel).domains():
            scheme, uids = (
                Scheme.Name(value).removeprefix("SCHEME_").lower() for value in (one.scheme, one.uid_scheme)
            )
            yield Item({"domain": one.name, "scheme": scheme, "uids": uids, "key_version": one.key_version})

    def key_versions(self, domain: str) -> Iterator[Item]:
        """See protocol.guid.DomainKeeper."""
        yield from map(_item, self._keys.versions(domain or self._domain))

    def rotate_key(self, domain: str) -> Item:
        """See protocol.guid.DomainKeeper."""
        return _item(self._keys.rotate(domain or self._domain))

    def export_key(self, domain: str, version: int, recipient_public_key: bytes) -> str:
        """See protocol.guid.DomainKeeper."""
        return MessageToJson(self._keys.export(recipient_public_key, domain or self._domain, version=version))

    def import_key(self, sealed: str) -> Item:
        """See protocol.guid.DomainKeeper. Raises DianaError SEALED_KEY_INVALID for what is no sealed key."""
        return _item(self._keys.import_key(read_sealed_key(sealed)))

    def sealing_key(self) -> bytes:
        """See protocol.guid.DomainKeeper."""
        return self._keys.sealing_key()


def read_sealed_key(text: str) -> SealedKey:
    """The sealed key that `export_key` wrote. Raises DianaError SEALED_KEY_INVALID."""
    try:
        return Parse(text, SealedKey())
    except ParseError:
        raise DianaError(Reason.SEALED_KEY_INVALID, "The file holds no sealed key.") from None


def _item(version: KeyVersion) -> Item:
    return Item(
        {
            "version": version.version,
            "time": version.create_time.ToJsonString(),
            "check_value": version.check_value,
        }
    )
