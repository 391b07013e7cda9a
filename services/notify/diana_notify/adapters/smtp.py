"""E-mail over an SMTP server."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.charset import QP, Charset
from email.header import Header
from email.message import Message
from email.utils import format_datetime
from pathlib import Path

from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.settings import config_invalid
from diana_notify.adapters.deadline import deadline
from diana_notify.core.addresses import email_domain
from diana_notify.core.model import Parcel

_STEPS = 10
"""How many times the timeout of one step a whole exchange may take."""

_CLOSING = 421
_TOO_LARGE = 552
_PLAIN_HEADER = 60
_UTF8 = Charset("utf-8")
_UTF8.body_encoding = QP


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The server that takes our mail. tls: "none", "starttls" or "implicit"."""

    host: str
    port: int
    tls: str
    sender: str
    timeout: float
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None


class SmtpCarrier:
    """Hands one message at a time to the server, a connection each."""

    def __init__(self, server: SmtpServer) -> None:
        """Raises DianaError CONFIG_INVALID for files that cannot be read."""
        self._server = server
        name = socket.getfqdn()
        self._own_name = name if "." in name else "[127.0.0.1]"  # RFC 5321 section 4.1.4
        self._password()
        try:
            self._context = ssl.create_default_context(cafile=server.ca_file)
        except (OSError, ssl.SSLError):
            raise config_invalid("smtp.ca_file", "cannot be read as certificates") from None

    def carry(self, parcel: Parcel) -> None:
        """See core.carriers.Carrier."""
        data = message_of(parcel, self._server.sender)
        smtp = self._new()
        with deadline(_STEPS * self._server.timeout, lambda: smtp.sock), _typed():
            try:
                self._greet(smtp)
                smtp.sendmail(_ascii(self._server.sender), [_ascii(parcel.delivery.recipient.address)], data)
                with suppress(smtplib.SMTPException, OSError, ValueError):
                    smtp.putcmd("quit")  # the message is taken, whatever the answer: none is waited for
            finally:
                smtp.close()

    def _new(self) -> smtplib.SMTP:
        if self._server.tls == "implicit":
            return smtplib.SMTP_SSL(local_hostname=self._own_name, timeout=self._server.timeout, context=self._context)
        return smtplib.SMTP(local_hostname=self._own_name, timeout=self._server.timeout)

    def _greet(self, smtp: smtplib.SMTP) -> None:
        """Connect and log in. Whatever fails here would fail for every message: Unreachable."""
        server = self._server
        smtp._host = server.host  # type: ignore[attr-defined]  # which only the constructor sets, and TLS needs
        try:
            code, _ = smtp.connect(server.host, server.port)
            if code != 220:
                raise Unreachable(f"SMTP {code} at connect")
            if server.tls == "starttls":
                smtp.starttls(context=self._context)
            if server.user:
                smtp.login(server.user, self._password())
            smtp.ehlo_or_helo_if_needed()
        except smtplib.SMTPResponseException as error:
            raise Unreachable(f"SMTP {error.smtp_code} at login") from None

    def _password(self) -> str:
        """Read for each login, so that it may be renewed."""
        if self._server.password_file is None:
            return ""
        try:
            return self._server.password_file.read_text("utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise config_invalid("smtp.password_file", "cannot be read") from None


def message_of(parcel: Parcel, sender: str) -> str:
    """The e-mail in ASCII, the same at every attempt; its Message-ID is the delivery's id."""
    delivery = parcel.delivery
    message = Message()
    message.set_payload(parcel.body, _UTF8)
    message["From"] = _ascii(sender)
    message["To"] = _ascii(delivery.recipient.address)
    message["Subject"] = _header(parcel.subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(delivery.create_time, UTC))
    message["Message-ID"] = f"<{delivery.name.removeprefix('deliveries/')}@{email_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notices in return
    return message.as_string()


def _header(text: str) -> str:
    """A header's value, encoded (RFC 2047) unless it is short and plain.

    Of the older classes of the standard library: the newer ones lose spaces where they fold.
    """
    plain = text.isascii() and text == text.strip() and "=?" not in text and len(text) <= _PLAIN_HEADER
    return Header(text, "us-ascii" if plain else "utf-8", header_name="Subject").encode()


def _ascii(address: str) -> str:
    """An address whose domain every server can read."""
    return f"{address.rpartition('@')[0]}@{email_domain(address)}"


@contextmanager
def _typed() -> Iterator[None]:
    """Turn what smtplib raises into what the core knows. No server's text is kept: it may repeat addresses."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        raise _by_code(next(iter(error.recipients.values()))[0], "recipient") from None
    except smtplib.SMTPSenderRefused as error:
        # What a server has against a sender can be mended; only a size cannot.
        refused = error.smtp_code == _TOO_LARGE
        raise (Refused if refused else Postponed)(f"SMTP {error.smtp_code} for the sender") from None
    except smtplib.SMTPDataError as error:
        raise _by_code(error.smtp_code, "message") from None
    except (smtplib.SMTPException, ssl.SSLError) as error:
        raise Unreachable(type(error).__name__) from None
    except TimeoutError:
        raise Unreachable("timed out") from None
    except OSError as error:
        raise Unreachable((error.strerror or type(error).__name__).lower()) from None


def _by_code(code: int, about: str) -> Failed:
    kind = Unreachable if code == _CLOSING else Refused if code >= 500 else Postponed
    return kind(f"SMTP {code} for the {about}")
