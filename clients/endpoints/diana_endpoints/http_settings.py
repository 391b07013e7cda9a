"""How HTTP servers are described."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path

from diana_common.settings import config_invalid
from diana_endpoints.connection_settings import LOGIN, TOKEN, check_timeout, secret

NAMES = (*LOGIN, *TOKEN)
"""Settings that the environment may give."""


@dataclass(frozen=True)
class ServerSettings:
    """How to be let in, and how long to wait. Secrets come from files, or as `${VARIABLE}` from the environment."""

    user: str = ""
    """The user's name, for basic authentication."""

    user_file: Path | None = None
    """A file with the user's name, instead of `user`."""

    password: str = field(default="", repr=False)
    """The password, as `${VARIABLE}`."""

    password_file: Path | None = None
    """A file with the password, instead of `password`."""

    token: str = field(default="", repr=False)
    """A bearer token, as `${VARIABLE}`; instead of a user."""

    token_file: Path | None = None
    """A file with the bearer token, instead of `token`."""

    ca_file: Path | None = None
    """Certificates to trust (PEM); those of the system when absent."""

    timeout: float = 60.0
    """Seconds that the server may be silent."""

    def __post_init__(self) -> None:
        check_timeout(self.timeout)


def credentials(settings: ServerSettings) -> dict[str, str]:
    """The headers that let the settings' user in. Raises DianaError CONFIG_INVALID."""
    token = secret(settings.token, settings.token_file, "token")
    user = secret(settings.user, settings.user_file, "user")
    password = secret(settings.password, settings.password_file, "password")
    if token:
        if user:
            raise config_invalid("token", "is given, and a user too: keep one of them")
        return {"Authorization": f"Bearer {token}"}
    if not user:
        return {}
    if ":" in user:
        raise config_invalid("user", "must be without a colon (RFC 7617)")
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
