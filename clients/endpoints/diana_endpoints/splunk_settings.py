"""How a Splunk is described: in services YAML, by URL, by the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diana_common.errors import invalid_field
from diana_endpoints.connection_settings import TOKEN, check_port, from_environment
from diana_endpoints.http_settings import ServerSettings


@dataclass(frozen=True)
class SplunkSettings(ServerSettings):
    """A Splunk's HTTP Event Collector (HEC).

    It goes by a token: `hec_token`, `token` or `token_file`. A user and password may be there, as in older
    descriptions, and are not sent.
    """

    url: str = ""
    """Its URL: https://HOST:8088. Made of `host` and `port` when empty."""

    host: str = ""
    """Its host, where there is no `url`."""

    port: int = 8088
    """HEC's port, where there is no `url`; over TLS."""

    hec_token: str = field(default="", repr=False)
    """The token, as `${VARIABLE}`: the older name of `token`."""

    index: str = ""
    """The index that events go to; the token's own when empty."""

    sourcetype: str = "_json"
    """What kind of events they are."""

    source: str = "diana"
    """Where they come from."""

    event_host: str = ""
    """The host that they are said to come from; this one, as Splunk sees it, when empty."""

    batch_size: int = 100
    """Events sent in one request, at most. A chain that waits for what may come late does well with 1."""

    attempts: int = 5
    """How often a request is made that finds Splunk busy."""

    acknowledgement: bool = False
    """Whether to wait until Splunk says that events are indexed (the token must have acknowledgement enabled)."""

    acknowledgement_timeout: float = 300.0
    """Seconds to wait for that."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_port(self.port)
        if not (self.url or self.host):
            raise ValueError("url is required")
        if not 1 <= self.batch_size <= 10000 or not 1 <= self.attempts <= 100:
            raise ValueError("batch_size must be from 1 to 10000, and attempts from 1 to 100")

    @property
    def address(self) -> str:
        """Its URL."""
        return self.url or f"https://{self.host}:{self.port}"


def read_url(url: str, env: Mapping[str, str]) -> Mapping[str, Any]:
    """The settings of https://HOST:8088, or of `splunk:` with SPLUNK_URL or SPLUNK_HOST; SPLUNK_HEC_TOKEN(_FILE)."""
    given = from_environment("SPLUNK_HEC", env, TOKEN) | from_environment("SPLUNK", env, ("index", "ca_file"))
    rest = url.removeprefix("splunk:")
    if rest == url:
        return {**given, "url": url}
    place = from_environment("SPLUNK", env, ("url", "host"))
    if rest or not place:
        raise invalid_field(
            "ENDPOINT",
            "must be written splunk+https://HOST:8088, or splunk: with SPLUNK_URL in the environment or a service of"
            " ctype Splunk in services YAML; the token comes from SPLUNK_HEC_TOKEN or token_file",
        )
    return given | place
