"""How a Redis is described: in services YAML, by URL, by the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diana_common.errors import invalid_field
from diana_endpoints.connection_settings import (
    LOGIN,
    address_of,
    check_port,
    check_scheme,
    check_timeout,
    from_environment,
    place_from_environment,
)


@dataclass(frozen=True)
class RedisSettings:
    """Values in a Redis, by key."""

    host: str = "localhost"
    """Its host."""

    port: int = 6379
    """Its port."""

    db: int = 0
    """The number of its database."""

    user: str = ""
    """The user's name, where it has access control lists."""

    user_file: Path | None = None
    """A file with the user's name, instead of `user`."""

    password: str = field(default="", repr=False)
    """The password, as `${VARIABLE}`."""

    password_file: Path | None = None
    """A file with the password, instead of `password`."""

    tls: bool = False
    """Whether to speak TLS with it; its certificate is verified."""

    ca_file: Path | None = None
    """Certificates to trust (PEM); those of the system when absent."""

    prefix: str = ""
    """What its keys begin with. Ids are without it, and other keys are left alone."""

    expiry: int = 0
    """Seconds after which what is put is gone; 0: never."""

    binary: bool = False
    """Whether values are content (files, for example) instead of data."""

    whole: bool = False
    """Whether metadata and header are kept with the data: {"meta": ..., "data": ..., "header": ...}."""

    max_value_bytes: int = 64 * 1024 * 1024
    """A larger value is neither put nor got."""

    timeout: float = 10.0
    """Seconds that it may be silent."""

    def __post_init__(self) -> None:
        if self.binary and self.whole:
            raise ValueError("binary and whole exclude each other")
        check_port(self.port)
        check_timeout(self.timeout)
        if self.db < 0 or self.expiry < 0 or self.max_value_bytes < 1:
            raise ValueError("db and expiry must be from 0, and max_value_bytes from 1")


def read_url(url: str, env: Mapping[str, str]) -> Mapping[str, Any]:
    """The settings of `redis:` (REDIS_HOST, REDIS_PORT, REDIS_DB), redis://HOST:PORT/DB, or rediss:// for TLS.

    REDIS_USER, REDIS_PASSWORD (or _FILE) and REDIS_CA_FILE of the environment complete them. Raises DianaError
    INVALID_FIELD.
    """
    check_scheme(url, ("redis", "rediss"), "redis://HOST:PORT/DB")
    scheme, _, rest = url.partition(":")
    settings = from_environment("REDIS", env, LOGIN) | ({"tls": True} if scheme == "rediss" else {})
    if not rest:
        settings |= place_from_environment("REDIS", env)
        db, named = env.get("REDIS_DB", ""), "REDIS_DB"
    else:
        address = address_of(url, "redis://HOST:PORT/DB", "REDIS_USER and REDIS_PASSWORD")
        settings |= {name: told for name, told in (("host", address.host), ("port", address.port)) if told}
        db, named = address.path, "ENDPOINT"
    return settings | ({"db": _database(db, named)} if db else {})


def _database(text: str, field: str) -> int:
    if not (text.isdecimal() and text.isascii()) or len(text) > 5:
        raise invalid_field(field, "must have a whole number as its database")
    return int(text)
