"""What the notify service can be told of the transports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


class Tls(Enum):
    """How a connection to the mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True)
class SecretConfig:
    """Where a secret is: exactly one of the two. It is read each time it is used, so that it may be renewed."""

    file: Path | None = None
    """A file that holds nothing else, in one line."""

    variable: str = ""
    """The name of an environment variable of the server."""

    def __post_init__(self) -> None:
        if (self.file is None) == (not self.variable):
            raise ValueError("needs either a file or a variable")


@dataclass(frozen=True)
class SmtpConfig:
    """The server that takes e-mail."""

    host: str
    """Its name, which its certificate bears."""

    sender: str
    """The address that messages come from, without a display name."""

    port: int = 25
    """Its port; usually 587 with starttls and 465 with implicit."""

    tls: Tls = Tls.NONE
    """none, starttls or implicit. A server that does not offer STARTTLS when it must gets nothing."""

    user: str = ""
    """The user to log in as; nobody when empty."""

    password_file: Path | None = None
    """A file with the user's password. It is read for each login, so that it may be renewed."""

    ca_file: Path | None = None
    """The authorities to trust, PEM; the system's when absent."""

    timeout: float = 30.0
    """Seconds that each step of an exchange may take; ten times that for all of it."""

    def __post_init__(self) -> None:
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user and password_file go together")
        if self.user and self.tls is Tls.NONE:
            raise ValueError("a password is sent over TLS only: set tls to starttls or implicit")
        if not 1 <= self.port <= 65535 or self.timeout <= 0:
            raise ValueError("port must be 1 to 65535, and timeout positive")


@dataclass(frozen=True)
class WebhookConfig:
    """Where webhooks may point, and how receivers know us."""

    allowed: tuple[str, ...] = ()
    """URLs; a webhook must be at or below one of them: same scheme, host and port. Nothing is allowed when empty."""

    signing_key: SecretConfig | None = None
    """The key of 24 to 64 bytes that webhooks are signed with, in base64, with or without `whsec_` before it; they are
    not signed when absent."""

    ca_file: Path | None = None
    """The authorities to trust, PEM; the system's when absent."""

    timeout: float = 10.0
    """Seconds that each step of an exchange may take; three times that for all of it."""

    def __post_init__(self) -> None:
        if self.timeout <= 0:
            raise ValueError("timeout must be positive")


@dataclass(frozen=True)
class SmsConfig:
    """Carriers that make text messages of e-mail."""

    carriers: Mapping[str, str] = field(default_factory=dict)
    """The domain of a carrier's mail relay by name, such as `verizon: vtext.com`. These are known already: verizon,
    us-cellular and google-fi; an empty domain takes one away."""


@dataclass(frozen=True)
class TwilioConfig:
    """An account at Twilio."""

    account_sid: str
    """The account's SID: "AC" and 32 hexadecimal digits."""

    token: SecretConfig
    """The account's auth token."""

    sender: str
    """Whom messages come from: a number such as `+16465550100`, or the SID of a messaging service ("MG...")."""

    base_url: str = "https://api.twilio.com"
    """The API's address: https, or http on the loopback."""

    ca_file: Path | None = None
    """The authorities to trust, PEM; the system's when absent."""

    timeout: float = 10.0
    """Seconds that each step of an exchange may take; three times that for all of it."""

    def __post_init__(self) -> None:
        if not self.account_sid.isascii() or not self.account_sid.isalnum():
            raise ValueError("account_sid is letters and digits")
        if self.timeout <= 0:
            raise ValueError("timeout must be positive")


@dataclass(frozen=True)
class ChatConfig:
    """A chat's incoming webhooks."""

    urls: Mapping[str, SecretConfig] = field(default_factory=dict)
    """Each one's URL by the name that recipients have for it: https, or http on the loopback. Who knows the URL can
    write there; so it is a secret."""

    ca_file: Path | None = None
    """The authorities to trust, PEM; the system's when absent."""

    timeout: float = 10.0
    """Seconds that each step of an exchange may take; three times that for all of it."""

    def __post_init__(self) -> None:
        if self.timeout <= 0:
            raise ValueError("timeout must be positive")


@dataclass(frozen=True)
class AppriseConfig:
    """Services that the library apprise has words for."""

    urls: Mapping[str, SecretConfig] = field(default_factory=dict)
    """Each one's URL, as apprise writes it, by the name that recipients have for it."""

    timeout: float = 30.0
    """Seconds that an attempt may take."""

    def __post_init__(self) -> None:
        if self.timeout <= 0:
            raise ValueError("timeout must be positive")
