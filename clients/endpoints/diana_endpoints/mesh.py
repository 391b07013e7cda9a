"""What the endpoints of the mesh's own services share: how to reach one, and how it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from diana_client import Channel, HealthClient, InvalidRequest, MeshError, Serving, TlsOptions, connect
from diana_common.errors import DianaError
from diana_endpoints.protocol.endpoint import Health

_PATIENCE = 5.0


@dataclass(frozen=True)
class TlsSettings:
    """Transport security. PEM files."""

    ca_file: Path | None = None
    """Certificates to trust; those of the system when absent."""

    cert_file: Path | None = None
    """This caller's certificate chain, for mutual TLS. Needs `key_file`."""

    key_file: Path | None = None
    """This caller's private key. Needs `cert_file`."""

    server_name: str = ""
    """The name to expect in the server's certificate, where it is not that of the address."""


@dataclass(frozen=True)
class MeshSettings:
    """How to reach a service of the mesh."""

    address: str
    """Host and port."""

    tls: TlsSettings | None = None
    """Transport security; plain text when absent."""

    token_file: Path | None = None
    """A file with the bearer token to send: over TLS, or to this host."""

    timeout: float = 30.0
    """Seconds that a call which answers once may take."""


class MeshEndpoint:
    """What every endpoint of a service of the mesh is, and each part of one: calls over one connection."""

    def __init__(self, settings: MeshSettings) -> None:
        """Raises MeshError for options that clash. Connects when it is first needed."""
        self._channel = open_channel(settings)

    def close(self) -> None:
        """Drop the connection."""
        self._channel.close()


def open_channel(settings: MeshSettings) -> Channel:
    """A connection to the service; made when it is first needed. Raises MeshError for options that clash."""
    given = settings.tls
    tls = TlsOptions(given.ca_file, given.cert_file, given.key_file, given.server_name) if given else None
    return connect(settings.address, tls=tls, token_file=settings.token_file, timeout=settings.timeout)


def examine(settings: MeshSettings, contract: str, describe: Callable[[Channel], str]) -> Health:
    """Whether the service is ready (grpc.health.v1), and what there is to say of it; within seconds."""
    try:
        with open_channel(replace(settings, timeout=_PATIENCE)) as channel:
            if HealthClient(channel).check(contract) is not Serving.SERVING:
                return Health(False, "answers, and is not ready")
            return Health(True, describe(channel))
    except InvalidRequest as error:
        return Health(False, error.message)
    except MeshError as error:
        return Health(False, error.reason or error.code.name)
    except DianaError as error:
        return Health(False, error.message)
