"""Gmail's mail server, with an app password."""

from __future__ import annotations

from dataclasses import dataclass

from diana_endpoints.kind import Kind
from diana_endpoints.smtp import Smtp
from diana_endpoints.smtp_settings import SmtpSettings, Tls, read_gmail_url


@dataclass(frozen=True)
class GmailSettings(SmtpSettings):
    """Gmail: settings as of `smtp`, of which only user and password are needed."""

    host: str = "smtp.gmail.com"
    """Its host."""

    tls: Tls = Tls.STARTTLS
    """How the connection is protected."""


KIND = Kind(GmailSettings, Smtp, read_url=read_gmail_url)
