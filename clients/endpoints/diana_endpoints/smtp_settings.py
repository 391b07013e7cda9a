"""How a mail server is described: in services YAML, by URL, by the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
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
    is_loopback,
    place_from_environment,
)


class Tls(Enum):
    """How the connection is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"

    @classmethod
    def _missing_(cls, value: object) -> Tls | None:
        """The older system's true and false."""
        return cls.STARTTLS if value is True else cls.NONE if value is False else None


_PORTS = {Tls.NONE: 25, Tls.STARTTLS: 587, Tls.IMPLICIT: 465}


@dataclass(frozen=True)
class SmtpSettings:
    """A mail server that takes messages."""

    host: str = "localhost"
    """Its host."""

    port: int = 0
    """Its port; 0: 25, with starttls 587, with implicit 465."""

    tls: Tls = Tls.NONE
    """none, starttls (also: true), or implicit; the certificate is verified."""

    ca_file: Path | None = None
    """Certificates to trust (PEM); those of the system when absent."""

    user: str = ""
    """Who logs in; nobody does when empty."""

    user_file: Path | None = None
    """A file with the user's name, instead of `user`."""

    password: str = field(default="", repr=False)
    """The password, as `${VARIABLE}`."""

    password_file: Path | None = None
    """A file with the password, instead of `password`."""

    sender: str = ""
    """The address that messages are from; the user when empty."""

    to: tuple[str, ...] = ()
    """The addresses that are told where nobody else is named."""

    subject: str = "DIANA"
    """The template of the subject of what is put, with $NAME for what the item says."""

    body: str = "$text"
    """The template of its text."""

    timeout: float = 30.0
    """Seconds that the server may be silent."""

    def __post_init__(self) -> None:
        if (self.user or self.user_file) and self.tls is Tls.NONE and not is_loopback(self.host):
            raise ValueError("tls must be starttls or implicit where a password is sent to another host")
        check_port(self.address[1])
        check_timeout(self.timeout)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or _PORTS[self.tls]


def read_url(url: str, env: Mapping[str, str]) -> Mapping[str, Any]:
    """The settings of `smtp:` (SMTP_HOST, SMTP_PORT) or smtp://HOST:PORT.

    SMTP_USER, SMTP_PASSWORD (or _FILE), SMTP_TLS, SMTP_CA_FILE, SMTP_FROM and SMTP_TO (with commas) of the
    environment complete them. Raises DianaError INVALID_FIELD.
    """
    check_scheme(url, ("smtp",), "smtp://HOST:PORT")
    settings = from_environment("SMTP", env, (*LOGIN, "tls")) | _people(env, "SMTP")
    if not url.partition(":")[2]:
        return settings | place_from_environment("SMTP", env)
    address = address_of(url, "smtp://HOST:PORT", "SMTP_USER and SMTP_PASSWORD")
    if not address.host or address.path:
        raise invalid_field("ENDPOINT", "is no address: write smtp://HOST:PORT")
    return settings | {"host": address.host} | ({"port": address.port} if address.port else {})


def read_gmail_url(url: str, env: Mapping[str, str]) -> Mapping[str, Any]:
    """The settings of `gmail:`: GMAIL_USER, and GMAIL_APP_PASSWORD or GMAIL_APP_PASSWORD_FILE; GMAIL_TO.

    Raises DianaError INVALID_FIELD for the older form with a password in it.
    """
    check_scheme(url, ("gmail",), "gmail:")
    if url.partition(":")[2].strip(":"):
        raise invalid_field(
            "ENDPOINT",
            "takes nothing after gmail: - a command line is no place for a password: set GMAIL_USER and"
            " GMAIL_APP_PASSWORD in the environment, or describe it in services YAML",
        )
    secrets = from_environment("GMAIL_APP", env, ("password", "password_file"))
    return from_environment("GMAIL", env, ("user", "user_file")) | secrets | _people(env, "GMAIL")


def _people(env: Mapping[str, str], prefix: str) -> dict[str, Any]:
    to = [one.strip() for one in env.get(f"{prefix}_TO", "").split(",") if one.strip()]
    sender = env.get(f"{prefix}_FROM", "")
    return ({"to": to} if to else {}) | ({"sender": sender} if sender else {})
