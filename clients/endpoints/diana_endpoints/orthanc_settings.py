"""How an Orthanc is described: in services YAML, by URL, by the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diana_common.errors import invalid_field
from diana_endpoints.connection_settings import check_port, from_environment, place_from_environment
from diana_endpoints.http_settings import NAMES, ServerSettings


@dataclass(frozen=True)
class OrthancSettings(ServerSettings):
    """An Orthanc, by its REST interface."""

    url: str = ""
    """Its URL: http://HOST:8042. Made of `host` and `port` when empty."""

    host: str = "localhost"
    """Its host, where there is no `url`."""

    port: int = 8042
    """Its HTTP port, where there is no `url`."""

    job_timeout: float = 3600.0
    """Seconds that one of its jobs may take: a retrieval, a transfer, an anonymization."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_port(self.port)

    @property
    def address(self) -> str:
        """Its URL."""
        return self.url or f"http://{self.host}:{self.port}"


def read_url(url: str, env: Mapping[str, str]) -> Mapping[str, Any]:
    """The settings of `orthanc:` (ORTHANC_HOST, ORTHANC_PORT) or http://HOST:8042; ORTHANC_USER, ORTHANC_PASSWORD.

    Raises DianaError INVALID_FIELD for the older form with a password in it.
    """
    given = from_environment("ORTHANC", env, NAMES)
    rest = url.removeprefix("orthanc:")
    if rest == url:
        return {**given, "url": url}
    if "," in rest:
        raise invalid_field(
            "ENDPOINT",
            "a command line is no place for a password: write orthanc+http://HOST:PORT, with ORTHANC_USER and"
            " ORTHANC_PASSWORD in the environment, or describe it in services YAML",
        )
    if rest:
        raise invalid_field("ENDPOINT", "takes nothing after orthanc: - write orthanc+http://HOST:PORT")
    return given | place_from_environment("ORTHANC", env)
